//! Queries to a camera's driver that OpenCV does not offer. The frames themselves are read through OpenCV.
//!
//! Structures and numbers are those of `linux/videodev2.h`, which are part of the kernel's stable interface.

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
/// The most formats, sizes or rates that are read. No driver lists more, and a faulty one must not keep this thread
/// busy forever.
const MAX_ENTRIES: u32 = 128;

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
    /// Width and height if discrete, otherwise minimum, maximum and step of each.
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
    /// Numerator and denominator of the only interval if discrete, otherwise of the shortest one, then further ones.
    intervals: [u32; 6],
    reserved: [u32; 2],
}

/// The current format. Its union contains pointers, hence the alignment.
#[repr(C)]
struct RawFormat {
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

impl From<RawFormat> for CurrentFormat {
    fn from(format: RawFormat) -> Self {
        let bytes: Vec<u8> = format.raw.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let number = |at: usize| {
            let bytes = bytes[4 * at..].first_chunk();
            bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
        };
        Self {
            fourcc: letters(number(2)),
            width: number(0),
            height: number(1),
            row: number(4),
            colour_space: number(6),
            encoding: number(9),
            quantization: number(10),
        }
    }
}

const READ: u32 = 2;
const WRITE: u32 = 1;

/// Returns the number of a request, as `_IOC` in `asm-generic/ioctl.h` composes it.
const fn request<T>(direction: u32, number: u32) -> u32 {
    direction << 30 | (size_of::<T>() as u32) << 16 | (b'V' as u32) << 8 | number
}

/// The description of a camera by its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceInfo {
    pub(super) name: String,
    pub(super) bus: String,
    /// True if it delivers video. Many cameras have a second device file that does not.
    pub(super) captures: bool,
}

/// A pixel format and size that a camera supports.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VideoMode {
    pub(super) fourcc: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Frames per second, highest first.
    pub(super) rates: Vec<f64>,
}

/// The format that a camera delivers now. The numbers are those of `v4l2_pix_format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CurrentFormat {
    pub(super) fourcc: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes from one row to the next.
    pub(super) row: u32,
    pub(super) colour_space: u32,
    /// The matrix.
    pub(super) encoding: u32,
    /// The range.
    pub(super) quantization: u32,
}

/// Returns whether a device file delivers video, or may do so because this user may not open it.
pub(super) fn captures(path: &Path) -> bool {
    match Device::open(path) {
        Ok(device) => device.info().is_ok_and(|info| info.captures),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// An opened device file.
#[derive(Debug)]
pub(super) struct Device(File);

impl Device {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path).map(Self)
    }

    pub(super) fn info(&self) -> io::Result<DeviceInfo> {
        let mut answer: Capability = zeroed();
        self.query(READ, 0, &mut answer)?;
        let capabilities = match answer.capabilities & CAP_DEVICE_CAPS {
            0 => answer.capabilities,
            _ => answer.device_caps,
        };
        Ok(DeviceInfo {
            name: text(&answer.card),
            bus: text(&answer.bus_info),
            captures: capabilities & CAP_VIDEO_CAPTURE != 0 && capabilities & CAP_STREAMING != 0,
        })
    }

    /// Returns all modes that the camera supports; for a range of sizes, the largest.
    pub(super) fn modes(&self) -> Vec<VideoMode> {
        self.formats().into_iter().flat_map(|format| self.modes_of(format)).collect()
    }

    /// Returns the pixel formats that the camera supports, as FourCCs.
    pub(super) fn format_names(&self) -> Vec<String> {
        self.formats().into_iter().map(letters).collect()
    }

    /// Returns the format that the camera delivers now.
    pub(super) fn current_format(&self) -> io::Result<CurrentFormat> {
        let mut format: RawFormat = zeroed();
        format.kind = BUF_TYPE_VIDEO_CAPTURE;
        self.query(READ | WRITE, 4, &mut format)?;
        Ok(format.into())
    }

    /// Starts the camera with its current settings and stops it again, to get the driver's error.
    pub(super) fn try_start(&self) -> io::Result<()> {
        let mut format: RawFormat = zeroed();
        format.kind = BUF_TYPE_VIDEO_CAPTURE;
        self.query(READ | WRITE, 4, &mut format)?;
        self.query(READ | WRITE, 5, &mut format)?;
        self.request_buffers(2)?;
        let mut kind = BUF_TYPE_VIDEO_CAPTURE;
        let started = self.query(WRITE, 18, &mut kind);
        let stopped = self.query(WRITE, 19, &mut kind);
        let released = self.request_buffers(0);
        started.and(stopped).and(released)
    }

    fn request_buffers(&self, count: u32) -> io::Result<()> {
        let mut buffers: RequestBuffers = zeroed();
        buffers.count = count;
        buffers.kind = BUF_TYPE_VIDEO_CAPTURE;
        buffers.memory = MEMORY_MMAP;
        self.query(READ | WRITE, 8, &mut buffers)
    }

    fn formats(&self) -> Vec<u32> {
        self.list(|index| {
            let mut answer: FormatDescription = zeroed();
            (answer.index, answer.kind) = (index, BUF_TYPE_VIDEO_CAPTURE);
            self.query(READ | WRITE, 2, &mut answer).ok()?;
            Some(answer.pixel_format)
        })
    }

    fn modes_of(&self, pixel_format: u32) -> Vec<VideoMode> {
        self.list(|index| {
            let mut answer: FrameSize = zeroed();
            (answer.index, answer.pixel_format) = (index, pixel_format);
            self.query(READ | WRITE, 74, &mut answer).ok()?;
            let [width, height] = match answer.kind {
                DISCRETE => [answer.sizes[0], answer.sizes[1]],
                // A range has only one entry.
                _ if index == 0 => [answer.sizes[1], answer.sizes[4]],
                _ => return None,
            };
            let rates = self.rates(pixel_format, width, height);
            Some(VideoMode { fourcc: letters(pixel_format), width, height, rates })
        })
    }

    fn rates(&self, pixel_format: u32, width: u32, height: u32) -> Vec<f64> {
        let mut rates = self.list(|index| {
            let mut answer: FrameInterval = zeroed();
            (answer.index, answer.pixel_format) = (index, pixel_format);
            (answer.width, answer.height) = (width, height);
            self.query(READ | WRITE, 75, &mut answer).ok()?;
            let is_valid = answer.kind == DISCRETE || index == 0;
            let [numerator, denominator, ..] = answer.intervals.map(f64::from);
            (is_valid && numerator > 0.0).then_some(denominator / numerator)
        });
        rates.sort_by(|a, b| b.total_cmp(a));
        rates
    }

    fn list<T>(&self, entry: impl FnMut(u32) -> Option<T>) -> Vec<T> {
        (0..MAX_ENTRIES).map_while(entry).collect()
    }

    /// Queries the driver, again if a signal interrupts the call.
    #[expect(unsafe_code, reason = "drivers are queried by ioctl")]
    fn query<T: Plain>(&self, direction: u32, number: u32, value: &mut T) -> io::Result<()> {
        let request = request::<T>(direction, number);
        loop {
            // SAFETY: `T` has the layout that the kernel expects for this request, whose number contains its size. Any
            // bytes are a valid `T`, and the reference lives until the call returns.
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

/// A structure of integers without significant padding: any bytes are a valid value.
trait Plain {}
impl Plain for Capability {}
impl Plain for FormatDescription {}
impl Plain for FrameSize {}
impl Plain for FrameInterval {}
impl Plain for RawFormat {}
impl Plain for RequestBuffers {}
impl Plain for u32 {}

#[expect(unsafe_code, reason = "the kernel requires unused fields to be zero")]
fn zeroed<T: Plain>() -> T {
    // SAFETY: by `Plain`, any bytes are a valid value.
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
        assert_eq!(request::<RawFormat>(READ | WRITE, 5), 0xc0d0_5605);
    }

    #[test]
    fn a_format_is_read_from_its_numbers() {
        let mut format: RawFormat = zeroed();
        let numbers =
            [1280, 720, u32::from_le_bytes(*b"YUYV"), 1, 2560, 1_843_200, 3, 0, 0, 2, 1, 1];
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_ne_bytes).collect();
        let words = bytes.chunks_exact(size_of::<usize>());
        for (into, word) in format.raw.iter_mut().zip(words) {
            *into = usize::from_ne_bytes(word.try_into().unwrap());
        }
        let expected = CurrentFormat {
            fourcc: "YUYV".into(),
            width: 1280,
            height: 720,
            row: 2560,
            colour_space: 3,
            encoding: 2,
            quantization: 1,
        };
        assert_eq!(CurrentFormat::from(format), expected);
    }

    #[test]
    fn a_device_that_is_not_a_camera_does_not_answer() {
        let null = Device::open(Path::new("/dev/null")).unwrap();
        assert!(null.info().is_err());
        assert!(null.modes().is_empty());
        assert!(null.try_start().is_err());
    }
}
