"""An RTSP camera (H.264, 640x360 at 30 frames a second) with a frame number and the true capture time in every picture.

Usage: rtsp_camera.py B_FRAMES PORT KEYFRAME_EVERY; port 0 selects a free port. Prints "listening at rtsp://…" when ready.

The picture's blocks are those of crates/timecode: 32 by 4 at the bottom left, one block from the edges. A block is a square
with 1/64 of the picture's width. They encode u32 number, u64 Unix microseconds, CRC-32 of both; most significant bit first.
"""

import struct
import sys
import threading
import time
import zlib

NEEDED = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as error:
    sys.exit(f"{error}: install the packages {NEEDED}")

WIDTH, HEIGHT, FPS = 640, 360, 30
BLOCK = WIDTH // 64
COLUMNS, ROWS = 32, 4
BLACK, WHITE, GREY = b"\x10", b"\xeb", b"\x5a"
TOP = HEIGHT - BLOCK * (ROWS + 1)
COLOUR = bytes([128]) * (WIDTH * HEIGHT // 2)


def line(bits):
    """Returns one line of pixels through a row of blocks."""
    blocks = b"".join((WHITE if bit == "1" else BLACK) * BLOCK for bit in bits)
    left = GREY * BLOCK + blocks
    return left + GREY * (WIDTH - len(left))


def picture(number, micros):
    """Returns a picture in I420."""
    stamp = struct.pack(">IQ", number & 0xFFFFFFFF, micros)
    stamp += struct.pack(">I", zlib.crc32(stamp))
    bits = f"{int.from_bytes(stamp, 'big'):0128b}"
    rows = [line(bits[row * COLUMNS : (row + 1) * COLUMNS]) * BLOCK for row in range(ROWS)]
    return GREY * (WIDTH * TOP) + b"".join(rows) + GREY * (WIDTH * BLOCK) + COLOUR


def film(source):
    """Pushes a picture whenever one is due, until the pipeline stops."""
    begun = time.monotonic()
    number = 0
    while True:
        time.sleep(max(0.0, begun + number / FPS - time.monotonic()))
        buffer = Gst.Buffer.new_wrapped(picture(number, time.time_ns() // 1000))
        buffer.pts = buffer.dts = number * Gst.SECOND // FPS
        buffer.duration = Gst.SECOND // FPS
        if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            return
        number += 1


def configure(_factory, media):
    # A picture is sent as soon as it is encoded, not when its timestamp is due.
    media.set_rate_control(False)
    source = media.get_element().get_by_name("source")
    threading.Thread(target=film, args=(source,), daemon=True).start()


def main():
    b_frames = int(sys.argv[1])
    Gst.init(None)
    missing = [name for name in ("appsrc", "x264enc", "rtph264pay") if not Gst.ElementFactory.find(name)]
    if missing:
        sys.exit(f"GStreamer lacks {', '.join(missing)}: install the packages {NEEDED}")
    # No look-ahead, so that a picture is sent as soon as it is encoded.
    order = f"tune=zerolatency key-int-max={int(sys.argv[3])} option-string=scenecut=0"
    if b_frames:
        # x264 outputs one picture per input picture, so it falls behind for a while when a keyframe interrupts the
        # pattern. Therefore the only keyframe is the first picture. x264 uses B-frames only if the profile allows them.
        order = f"bframes={b_frames} b-adapt=false rc-lookahead=0 sync-lookahead=0 threads=1 key-int-max=100000 option-string=scenecut=0"
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f"( appsrc name=source is-live=true format=time "
        f"caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1 "
        f"! x264enc {order} speed-preset=veryfast bitrate=2000 "
        f"! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=1 )"
    )
    # Each client has its own encoder, so that each starts with a keyframe.
    factory.set_shared(False)
    factory.connect("media-configure", configure)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[2])
    server.get_mount_points().add_factory("/video", factory)
    server.attach(None)
    print(f"listening at rtsp://127.0.0.1:{server.get_bound_port()}/video")
    GLib.MainLoop().run()


main()
