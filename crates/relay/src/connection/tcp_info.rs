//! What the kernel knows of a connection (`TCP_INFO`, tcp(7)).

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use super::queue_estimate::Reading;

/// Reads it.
///
/// # Errors
/// When the connection is gone.
#[expect(unsafe_code, reason = "no safe crate reads TCP_INFO as far as delivery times")]
pub(super) fn read(socket: impl AsFd) -> io::Result<Reading> {
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: `tcp_info` is plain integers, for which zeros are valid; older kernels fill less than the whole, and the
    // rest stays zero. The kernel writes at most `length` bytes to the pointer, which is of that size.
    let info = unsafe {
        let mut info: libc::tcp_info = mem::zeroed();
        let done = libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        );
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        info
    };
    let micros = |micros: u32| Duration::from_micros(micros.into());
    // All ones until there was a round trip.
    let min_rtt = if info.tcpi_min_rtt == u32::MAX { info.tcpi_rtt } else { info.tcpi_min_rtt };
    let segments = u64::from(info.tcpi_unacked) * u64::from(info.tcpi_snd_mss);
    // Exact, but too much where this machine's own queue has dropped something.
    let sent = info.tcpi_bytes_sent.saturating_sub(info.tcpi_bytes_retrans);
    Ok(Reading {
        acked: info.tcpi_bytes_acked,
        // The handshake's SYN counts as acknowledged, but not as sent.
        queued: (sent + 1).saturating_sub(info.tcpi_bytes_acked).min(segments)
            + u64::from(info.tcpi_notsent_bytes),
        unsent: info.tcpi_notsent_bytes.into(),
        rtt: micros(info.tcpi_rtt),
        min_rtt: micros(min_rtt),
        window: info.tcpi_snd_wnd.into(),
        closed: Duration::from_micros(info.tcpi_rwnd_limited),
        retransmits: info.tcpi_total_retrans.into(),
        silent: Duration::from_millis(info.tcpi_last_ack_recv.into()),
    })
}
