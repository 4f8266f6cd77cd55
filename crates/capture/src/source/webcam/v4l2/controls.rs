//! Controls of a camera, such as brightness, exposure and focus.

use std::io;

use super::{Device, MAX_ENTRIES, Plain, READ, WRITE, text, zeroed};

/// The most controls that are read. No camera has more, and a faulty driver must not keep this thread busy forever.
const MAX_CONTROLS: usize = 256;

const NEXT: u32 = 0x8000_0000;
const INTEGER: u32 = 1;
const BOOLEAN: u32 = 2;
const MENU: u32 = 3;
const BITMASK: u32 = 8;
const INTEGER_MENU: u32 = 9;
const DISABLED: u32 = 0x0001;
const READ_ONLY: u32 = 0x0004;
const WRITE_ONLY: u32 = 0x0040;

#[repr(C)]
struct Query {
    id: u32,
    kind: u32,
    name: [u8; 32],
    minimum: i32,
    maximum: i32,
    step: i32,
    default: i32,
    flags: u32,
    reserved: [u32; 2],
}

/// Packed in the kernel's header; it has no gaps in any case.
#[repr(C)]
struct MenuItem {
    id: u32,
    index: u32,
    /// In a menu of integers, the integer.
    name: [u8; 32],
    reserved: u32,
}

#[repr(C)]
struct RawControl {
    id: u32,
    value: i32,
}

impl Plain for Query {}
impl Plain for MenuItem {}
impl Plain for RawControl {}

/// A control of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Control {
    id: u32,
    /// The name as `v4l2-ctl` prints it: `exposure_time_absolute`.
    pub(in super::super) name: String,
    pub(in super::super) minimum: i32,
    pub(in super::super) maximum: i32,
    pub(in super::super) step: i32,
    pub(in super::super) default: i32,
    /// The current value, if it can be read.
    pub(in super::super) current: Option<i32>,
    /// The possible values of a menu, and their meanings.
    pub(in super::super) menu: Vec<(i32, String)>,
    /// True if it cannot be set.
    pub(in super::super) read_only: bool,
}

impl Device {
    /// Returns all controls with an integer value.
    pub(in super::super) fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut last = 0;
        while controls.len() < MAX_CONTROLS {
            let mut query: Query = zeroed();
            query.id = last | NEXT;
            // A driver that returns the same control again would be queried forever.
            if self.query(READ | WRITE, 36, &mut query).is_err() || query.id <= last {
                break;
            }
            last = query.id;
            controls.extend(self.control(&query));
        }
        controls
    }

    /// Sets a control. The driver may use the nearest possible value.
    pub(in super::super) fn set(&self, control: &Control, value: i32) -> io::Result<()> {
        self.query(READ | WRITE, 28, &mut RawControl { id: control.id, value })
    }

    fn control(&self, query: &Query) -> Option<Control> {
        let settable = matches!(query.kind, INTEGER | BOOLEAN | MENU | BITMASK | INTEGER_MENU);
        if !settable || query.flags & DISABLED != 0 {
            return None;
        }
        let readable = query.flags & WRITE_ONLY == 0;
        Some(Control {
            id: query.id,
            name: variable(&text(&query.name)),
            minimum: query.minimum,
            maximum: maximum(query),
            step: query.step,
            default: query.default,
            current: readable.then(|| self.value(query.id)).flatten(),
            menu: self.menu(query),
            read_only: query.flags & READ_ONLY != 0,
        })
    }

    fn value(&self, id: u32) -> Option<i32> {
        let mut value = RawControl { id, value: 0 };
        self.query(READ | WRITE, 27, &mut value).ok()?;
        Some(value.value)
    }

    fn menu(&self, query: &Query) -> Vec<(i32, String)> {
        if !matches!(query.kind, MENU | INTEGER_MENU) {
            return Vec::new();
        }
        let indexes = (query.minimum.max(0)..=query.maximum).take(MAX_ENTRIES as usize);
        indexes.filter_map(|index| Some((index, self.menu_item(query, index)?))).collect()
    }

    /// Returns the meaning of a menu item. Menus have gaps.
    fn menu_item(&self, query: &Query, index: i32) -> Option<String> {
        let mut item: MenuItem = zeroed();
        (item.id, item.index) = (query.id, u32::try_from(index).ok()?);
        self.query(READ | WRITE, 37, &mut item).ok()?;
        let [a, b, c, d, e, f, g, h, ..] = item.name;
        match query.kind {
            INTEGER_MENU => Some(i64::from_ne_bytes([a, b, c, d, e, f, g, h]).to_string()),
            _ => Some(text(&item.name)),
        }
    }
}

/// Returns the maximum of a control. For a bit mask it is the mask of all bits, which the highest bit would make
/// negative.
fn maximum(query: &Query) -> i32 {
    if query.kind == BITMASK && query.maximum < 0 { i32::MAX } else { query.maximum }
}

/// Returns the name as `v4l2-ctl` prints it: "Exposure Time, Absolute" is `exposure_time_absolute`.
fn variable(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
impl Control {
    /// A control from 0 to 255, for tests.
    pub(in super::super) fn fake(name: &str) -> Self {
        Self {
            id: 1,
            name: name.into(),
            minimum: 0,
            maximum: 255,
            step: 1,
            default: 128,
            current: Some(120),
            menu: Vec::new(),
            read_only: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::request;
    use super::*;

    #[test]
    fn requests_have_the_numbers_of_videodev2_h() {
        assert_eq!(request::<RawControl>(READ | WRITE, 27), 0xc008_561b);
        assert_eq!(request::<RawControl>(READ | WRITE, 28), 0xc008_561c);
        assert_eq!(request::<Query>(READ | WRITE, 36), 0xc044_5624);
        assert_eq!(request::<MenuItem>(READ | WRITE, 37), 0xc02c_5625);
    }

    #[test]
    fn a_mask_with_all_bits_has_a_positive_maximum() {
        let mut query: Query = zeroed();
        (query.kind, query.maximum) = (BITMASK, -1);
        assert_eq!(maximum(&query), i32::MAX);
        query.kind = INTEGER;
        assert_eq!(maximum(&query), -1);
    }

    #[test]
    fn a_control_has_the_name_that_v4l2_ctl_prints() {
        assert_eq!(variable("Brightness"), "brightness");
        assert_eq!(variable("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(variable("White Balance, Automatic"), "white_balance_automatic");
        assert_eq!(variable("LED1 Mode"), "led1_mode");
    }
}
