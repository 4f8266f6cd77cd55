//! The kernel's view of a connection (`TCP_INFO`, tcp(7)).

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use super::queue_estimate::TcpReading;

/// Reads the state of a connection.
///
/// # Errors
/// Fails if the connection is gone.
#[expect(unsafe_code, reason = "no safe crate reads TCP_INFO as far as delivery times")]
pub(super) fn read(socket: impl AsFd) -> io::Result<TcpReading> {
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: `tcp_info` consists of integers, for which zeros are valid. Older kernels fill only a part; the rest
    // stays zero. The kernel writes at most `length` bytes through the pointer, and the value is that large.
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
    // The kernel reports all ones before the first round trip.
    let min_rtt = if info.tcpi_min_rtt == u32::MAX { info.tcpi_rtt } else { info.tcpi_min_rtt };
    let segments = u64::from(info.tcpi_unacked) * u64::from(info.tcpi_snd_mss);
    // This is exact, but too large if this machine's own queue has dropped segments.
    let sent = info.tcpi_bytes_sent.saturating_sub(info.tcpi_bytes_retrans);
    Ok(TcpReading {
        acked: info.tcpi_bytes_acked,
        // The handshake's SYN counts as acknowledged, but not as sent.
        queued: (sent + 1).saturating_sub(info.tcpi_bytes_acked).min(segments)
            + u64::from(info.tcpi_notsent_bytes),
        unsent: info.tcpi_notsent_bytes.into(),
        rtt: micros(info.tcpi_rtt),
        min_rtt: micros(min_rtt),
        receive_window: info.tcpi_snd_wnd.into(),
        rwnd_limited: Duration::from_micros(info.tcpi_rwnd_limited),
        retransmits: info.tcpi_total_retrans.into(),
        since_ack: Duration::from_millis(info.tcpi_last_ack_recv.into()),
    })
}
