//! The limits that `--help` lists.

/// The text below the options.
pub(super) const LIMITS: &str = "\
Limits:
  frames        16 MiB; a viewer is at most 2 frames behind, then skips to the newest; with
                buffer=SECONDS, 0 to 5, it plays that far behind, and the relay keeps up to 6 s
                and 64 MiB of frames per track for it
  in flight     at most one message per connection that the kernel has not accepted yet; no
                further frame while earlier ones are queued in the network; 16 KiB unsent in the
                kernel (128 KiB while a viewer keeps up); 64 unacknowledged frames for a viewer
                that acknowledges
  viewers       --max-viewers and --max-viewers-per-address; 256 on one socket
  connections   the number of viewers and 512 more; per address 32 more; an IPv6 network (/64)
                counts as one address
  open files    ulimit -n is raised as far as needed and allowed; if that is too low, the relay
                allows fewer viewers and logs how many: the bus reserves 48 descriptors, 4 per
                thread and 6 per publisher
  proxies       64 addresses and ranges in --trusted-proxy; their connections are exempt from the limit
                per address, their clients are counted one by one; a base path has at most 128 bytes
  access table  256 entries with 128 patterns of streams each; the file is checked every second,
                and read again on SIGHUP
  wrong tokens  10 per address are answered without delay, later ones after 1 to 2 s;
                of such an address (loopback exempt) at most 32 tokens are compared at a time,
                which allows 16 guesses per second; 12 s without one reset the count; after 100,
                none is compared, and one is forgotten each second
  --lan         99 machines of a network have a name (fanlight.local, fanlight-2.local, …); the
                addresses are shown after 6 s even if the name is not certain yet
  start         for 2 s after the start, requests for unknown streams wait; each counts as a
                viewer
  stalled       a viewer that takes no byte for 10 s while some are waiting is closed; a silent
                one after 60 to 80 s
  requests      heads of 16 KiB and 64 lines, within 10 s; WebSocket messages of 4 KiB, and of 64
                KiB on /api/ws; headers that access depends on (Host, Origin, Authorization,
                Sec-WebSocket-Key, Sec-Fetch-*) once, in ASCII
  floods        a WebSocket that sends more than 8192 messages, and then 4096 per second, is read
                more slowly; TLS handshakes wait beyond 64 of an address (loopback exempt), and
                then 32 per second, and beyond 256 in total, and then 500 per second
  TLS           handshakes within 10 s; 128 KiB of ciphertext per connection; certificate files
                are checked every second, names and addresses for --tls auto every 30 s; its
                certificates are valid for 397 days and renewed after 265, its authority 10 years
  MJPEG         after 5 s without a frame, a picture shows the reason
  snapshots     wait up to 3 s for a frame younger than 2 s; at addresses of other servers up to
                1.8 s
  streams       1024 names; each is kept for 24 h after its publisher is gone, up to 128 per
                publisher; a new name evicts the name that has been without a publisher for
                longest
  late          a stream is late after 1 s of frames that are 2 s old on arrival, and live after 3
                s of frames younger than 1 s
  publishers    64 endpoints, and 64 in the watched folder ($XDG_RUNTIME_DIR/fanlight); 5 s to
                connect, and 5 s for the handshake; reconnection 0.25 to 2 s after a protocol
                error; a silent publisher yields to another with the same names: after 1 s and one
                round trip (at most 2 s) while watched, otherwise after 3 s, when it is gone
  publishing    --max-publishers streams, of which other relays on the bus see 128; per stream
                --max-ingest-fps and --max-ingest, after a burst of half a second of frames and of
                16 MiB, and it is read at twice that rate at most; frames of 16 MiB; a client is
                closed after 100 refused frames (one is forgiven every 100 ms), and after 10 before
                its first good one; a WebSocket is pinged after 2 s of silence and gone after 5 s; a
                client over HTTP after 5 of its intervals, at least 5 s and at most 60 s; a name is
                taken over once in 5 s at most; 1024 tracks on the bus in a relay's lifetime
  shutdown      all viewers are closed within 2 s after SIGINT or SIGTERM";
