//! The few questions to a camera's driver that OpenCV has no words for. The pictures themselves come through OpenCV.
//!
//! Structures and numbers are those of `linux/videodev2.h`; they are part of the kernel's stable interface.

mod controls;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(super) use controls::Control;

const BUF_TYPE_VIDEO_CAPTURE: u32 = 1;
const MEMORY_MMAP: u32 = 1;
const CAP_VIDEO_CAPTURE: u32 = 0x0000_0001;
const CAP_STREAMING: u32 = 0x0400_0000;
const CAP_DEVICE_CAPS: u32 = 0x8000_0000;
const DISCRETE: u32 = 1;
/// No driver lists more formats, sizes or rates; a faulty one must not keep us busy for ever.
const LONGEST_LIST: u32 = 128;

#[repr(C)]
struct Capability {
    driver: [u8; 16],
    card: [u8; 32],
    bus_info: [u8; 32],
    version: u32,
    capabilities: u32,
    device_caps: u32,
    reserved: [u32; 3],
}

#[repr(C)]
struct FormatDescription {
    index: u32,
    kind: u32,
    flags: u32,
    description: [u8; 32],
    pixel_format: u32,
    mbus_code: u32,
    reserved: [u32; 3],
}

#[repr(C)]
struct FrameSize {
    index: u32,
    pixel_format: u32,
    kind: u32,
    /// Width and height where discrete; else smallest, largest and step of each.
    sizes: [u32; 6],
    reserved: [u32; 2],
}

#[repr(C)]
struct FrameInterval {
    index: u32,
    pixel_format: u32,
    width: u32,
    height: u32,
    kind: u32,
    /// Numerator and denominator of the shortest interval (where discrete, of the only one), then others.
    intervals: [u32; 6],
    reserved: [u32; 2],
}

/// The current format, only ever given back as it came. Its union holds pointers, hence the alignment.
#[repr(C)]
struct Format {
    kind: u32,
    raw: [usize; 200 / size_of::<usize>()],
}

#[repr(C)]
struct RequestBuffers {
    count: u32,
    kind: u32,
    memory: u32,
    capabilities: u32,
    flags: [u8; 4],
}

const READ: u32 = 2;
const WRITE: u32 = 1;

/// The number of a request, as `_IOC` in `asm-generic/ioctl.h` composes it.
const fn request<T>(direction: u32, number: u32) -> u32 {
    direction << 30 | (size_of::<T>() as u32) << 16 | (b'V' as u32) << 8 | number
}

/// What a camera says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) name: String,
    pub(super) bus: String,
    /// Whether it gives pictures; many cameras have a second device file that does not.
    pub(super) captures: bool,
}

/// One way a camera can give pictures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    pub(super) fourcc: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Frames per second, highest first.
    pub(super) rates: Vec<f64>,
}

/// Whether a device file is one that gives pictures; also where this user may not ask it.
pub(super) fn gives_pictures(path: &Path) -> bool {
    match Device::open(path) {
        Ok(device) => device.card().is_ok_and(|card| card.captures),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// An opened device file.
#[derive(Debug)]
pub(super) struct Device(File);

impl Device {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut how = OpenOptions::new();
        how.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path).map(Self)
    }

    pub(super) fn card(&self) -> io::Result<Card> {
        let mut answer: Capability = zeroed();
        self.ask(READ, 0, &mut answer)?;
        let all = match answer.capabilities & CAP_DEVICE_CAPS {
            0 => answer.capabilities,
            _ => answer.device_caps,
        };
        Ok(Card {
            name: text(&answer.card),
            bus: text(&answer.bus_info),
            captures: all & CAP_VIDEO_CAPTURE != 0 && all & CAP_STREAMING != 0,
        })
    }

    /// All that the camera offers; where it leaves the size to us, its largest.
    pub(super) fn offers(&self) -> Vec<Offer> {
        self.formats().into_iter().flat_map(|format| self.offers_of(format)).collect()
    }

    /// The formats that the camera offers, each as its four letters.
    pub(super) fn format_names(&self) -> Vec<String> {
        self.formats().into_iter().map(letters).collect()
    }

    /// Starts the camera as it is set and stops it again, to learn what the driver says to that.
    pub(super) fn try_start(&self) -> io::Result<()> {
        let mut format: Format = zeroed();
        format.kind = BUF_TYPE_VIDEO_CAPTURE;
        self.ask(READ | WRITE, 4, &mut format)?;
        self.ask(READ | WRITE, 5, &mut format)?;
        self.request_buffers(2)?;
        let mut kind = BUF_TYPE_VIDEO_CAPTURE;
        let started = self.ask(WRITE, 18, &mut kind);
        let stopped = self.ask(WRITE, 19, &mut kind);
        let released = self.request_buffers(0);
        started.and(stopped).and(released)
    }

    fn request_buffers(&self, count: u32) -> io::Result<()> {
        let mut buffers: RequestBuffers = zeroed();
        buffers.count = count;
        buffers.kind = BUF_TYPE_VIDEO_CAPTURE;
        buffers.memory = MEMORY_MMAP;
        self.ask(READ | WRITE, 8, &mut buffers)
    }

    fn formats(&self) -> Vec<u32> {
        self.list(|index| {
            let mut answer: FormatDescription = zeroed();
            (answer.index, answer.kind) = (index, BUF_TYPE_VIDEO_CAPTURE);
            self.ask(READ | WRITE, 2, &mut answer).ok()?;
            Some(answer.pixel_format)
        })
    }

    fn offers_of(&self, pixel_format: u32) -> Vec<Offer> {
        self.list(|index| {
            let mut answer: FrameSize = zeroed();
            (answer.index, answer.pixel_format) = (index, pixel_format);
            self.ask(READ | WRITE, 74, &mut answer).ok()?;
            let [width, height] = match answer.kind {
                DISCRETE => [answer.sizes[0], answer.sizes[1]],
                // A range has one entry only.
                _ if index == 0 => [answer.sizes[1], answer.sizes[4]],
                _ => return None,
            };
            let rates = self.rates(pixel_format, width, height);
            Some(Offer { fourcc: letters(pixel_format), width, height, rates })
        })
    }

    fn rates(&self, pixel_format: u32, width: u32, height: u32) -> Vec<f64> {
        let mut rates = self.list(|index| {
            let mut answer: FrameInterval = zeroed();
            (answer.index, answer.pixel_format) = (index, pixel_format);
            (answer.width, answer.height) = (width, height);
            self.ask(READ | WRITE, 75, &mut answer).ok()?;
            let one = answer.kind == DISCRETE || index == 0;
            let [numerator, denominator, ..] = answer.intervals.map(f64::from);
            (one && numerator > 0.0).then_some(denominator / numerator)
        });
        rates.sort_by(|a, b| b.total_cmp(a));
        rates
    }

    fn list<T>(&self, entry: impl FnMut(u32) -> Option<T>) -> Vec<T> {
        (0..LONGEST_LIST).map_while(entry).collect()
    }

    /// Asks the driver, again where a signal interrupts.
    #[expect(unsafe_code, reason = "an ioctl is what drivers are asked with")]
    fn ask<T: Plain>(&self, direction: u32, number: u32, value: &mut T) -> io::Result<()> {
        let request = request::<T>(direction, number);
        loop {
            // SAFETY: `T` is laid out as the kernel expects for this request, whose number holds its size; any bytes
            // are a valid `T`, and the reference lives until the call returns.
            let result = unsafe {
                libc::ioctl(self.0.as_raw_fd(), request as libc::Ioctl, std::ptr::from_mut(value))
            };
            match io::Error::last_os_error() {
                _ if result >= 0 => return Ok(()),
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            }
        }
    }
}

/// Plain integers without padding that matters: any bytes are a value.
trait Plain {}
impl Plain for Capability {}
impl Plain for FormatDescription {}
impl Plain for FrameSize {}
impl Plain for FrameInterval {}
impl Plain for Format {}
impl Plain for RequestBuffers {}
impl Plain for u32 {}

#[expect(unsafe_code, reason = "the kernel wants the fields it does not know to be zero")]
fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` says that any bytes are a value.
    unsafe { std::mem::zeroed() }
}

fn letters(fourcc: u32) -> String {
    String::from_utf8_lossy(&fourcc.to_le_bytes()).trim_end().into()
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_numbers_of_videodev2_h() {
        assert_eq!(request::<Capability>(READ, 0), 0x8068_5600);
        assert_eq!(request::<FormatDescription>(READ | WRITE, 2), 0xc040_5602);
        assert_eq!(request::<FrameSize>(READ | WRITE, 74), 0xc02c_564a);
        assert_eq!(request::<FrameInterval>(READ | WRITE, 75), 0xc034_564b);
        assert_eq!(request::<RequestBuffers>(READ | WRITE, 8), 0xc014_5608);
        assert_eq!(request::<u32>(WRITE, 18), 0x4004_5612);
        #[cfg(target_pointer_width = "64")]
        assert_eq!(request::<Format>(READ | WRITE, 5), 0xc0d0_5605);
    }

    #[test]
    fn what_is_no_camera_does_not_answer() {
        let null = Device::open(Path::new("/dev/null")).unwrap();
        assert!(null.card().is_err());
        assert!(null.offers().is_empty());
        assert!(null.try_start().is_err());
    }
}
