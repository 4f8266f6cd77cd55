//! The list of webcams.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use super::sysfs::{self, MAX_DEVICES, Node};
use super::v4l2::{Control, Device, DeviceInfo, VideoMode};
use super::{controls, names};

/// The most frame rates shown for a mode; more would only hide the usual ones.
const MAX_RATES: usize = 6;

struct Found {
    path: PathBuf,
    /// `None` if this user may not open it.
    info: Option<DeviceInfo>,
    modes: Vec<VideoMode>,
    controls: Vec<Control>,
}

/// Returns a short list of the webcams: `found: /dev/video0 "HD Webcam"`.
pub(super) fn found() -> String {
    let all = paths().filter_map(|path| {
        let (_, info) = open(&path)?;
        let name = info.map_or(String::new(), |info| format!(" {:?}", info.name));
        Some(format!("{}{name}", path.display()))
    });
    let names: Vec<String> = all.collect();
    match names.len() {
        0 => "no camera is connected".into(),
        _ => format!("found: {}", names.join(", ")),
    }
}

/// Describes all webcams for the user: modes, controls, and the option to write.
pub fn describe() -> String {
    let all: Vec<Found> = paths().filter_map(inspect).collect();
    if all.is_empty() {
        return "No camera is connected. To try without one, use the test picture: --stream test=test\n".into();
    }
    let nodes = sysfs::nodes(Path::new(sysfs::ROOT));
    // Only devices that deliver video: the others do not make a name ambiguous.
    let listed: Vec<&Node> =
        nodes.iter().filter(|node| all.iter().any(|found| found.path == node.path())).collect();
    let describe = |(at, found)| describe_one(at, found, &listed);
    all.iter().enumerate().map(describe).collect()
}

fn paths() -> impl Iterator<Item = PathBuf> {
    (0..MAX_DEVICES).map(|number| format!("/dev/video{number}").into())
}

/// Opens a camera that delivers video. Returns neither device nor info if this user may not open it.
fn open(path: &Path) -> Option<(Option<Device>, Option<DeviceInfo>)> {
    match Device::open(path) {
        Ok(device) => {
            let info = device.info().ok().filter(|info| info.captures)?;
            Some((Some(device), Some(info)))
        }
        Err(error) => (error.kind() == io::ErrorKind::PermissionDenied).then_some((None, None)),
    }
}

fn inspect(path: PathBuf) -> Option<Found> {
    let (device, info) = open(&path)?;
    let modes = device.as_ref().map(Device::modes).unwrap_or_default();
    let controls = device.as_ref().map(Device::controls).unwrap_or_default();
    Some(Found { path, info, modes, controls })
}

fn describe_one(at: usize, found: &Found, all: &[&Node]) -> String {
    let path = found.path.display();
    let mut text = match &found.info {
        Some(info) => format!("{path}  {}  ({})\n", info.name, info.bus),
        None => format!("{path}  not permitted: add this user to group video and log in again\n"),
    };
    let node = all.iter().find(|node| node.path() == found.path);
    for name in node.map(|node| names::persistent(node, all)).unwrap_or_default() {
        let _ = writeln!(text, "    name    {name}");
    }
    for mode in &found.modes {
        let _ = writeln!(text, "    mode    {}", describe_mode(mode));
    }
    for control in &found.controls {
        let _ = writeln!(text, "    control {}", describe_control(control));
    }
    let name = if at == 0 { "cam".into() } else { format!("cam{}", at + 1) };
    let source = node.map_or(path.to_string(), |node| names::best(node, all));
    let _ = writeln!(text, "    option  --stream {}", quoted(&format!("{name}={source}")));
    text
}

fn describe_mode(VideoMode { fourcc, width, height, rates }: &VideoMode) -> String {
    let rates: Vec<String> = rates
        .iter()
        .take(MAX_RATES)
        .map(|rate| format!("{}", (rate * 100.0).round() / 100.0))
        .collect();
    let rates =
        if rates.is_empty() { String::new() } else { format!(" at {} fps", rates.join(", ")) };
    format!("{fourcc} {width}x{height}{rates}")
}

/// Describes a control as it is written after a source, with its current value.
fn describe_control(control: &Control) -> String {
    let now = control.current.map_or("…".into(), |value| value.to_string());
    let read_only = if control.read_only { ", read-only" } else { "" };
    format!(
        "#control.{}={now}  ({}; default {}{read_only})",
        control.name,
        controls::possible(control),
        control.default
    )
}

/// Quotes a text if a shell would not read it as one word.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"=:/._-".contains(&b);
    match text.bytes().all(plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::Usb;
    use super::*;

    fn found(path: &str) -> Found {
        Found {
            path: path.into(),
            info: Some(DeviceInfo {
                name: "HD Webcam".into(),
                bus: "usb-1".into(),
                captures: true,
            }),
            modes: vec![VideoMode {
                fourcc: "MJPG".into(),
                width: 1280,
                height: 720,
                rates: vec![30.0, 30_000.0 / 1001.0],
            }],
            controls: vec![Control::fake("brightness")],
        }
    }

    #[test]
    fn an_entry_shows_name_modes_controls_and_the_option_to_write() {
        let text = describe_one(1, &found("/dev/video242"), &[]);
        assert!(text.starts_with("/dev/video242  HD Webcam  (usb-1)\n"), "{text}");
        assert!(text.contains("mode    MJPG 1280x720 at 30, 29.97 fps\n"), "{text}");
        assert!(
            text.contains("control #control.brightness=120  (0 to 255; default 128)"),
            "{text}"
        );
        assert!(text.ends_with("option  --stream cam2=/dev/video242\n"), "{text}");
    }

    #[test]
    fn two_cameras_of_one_type_get_different_options() {
        let camera = |number, serial: &str| {
            let usb = Usb { vendor: 0x046d, product: 0x0825, serial: Some(serial.into()) };
            Node::fake(number, "HD Webcam", "1-3", Some(usb))
        };
        let (one, other) = (camera(240, "A 1"), camera(242, "B2"));
        let all = [&one, &other];
        let text = describe_one(0, &found("/dev/video240"), &all);
        assert!(text.contains("name    usb:046d:0825:A 1\n"), "{text}");
        assert!(text.ends_with("option  --stream 'cam=usb:046d:0825:A 1'\n"), "{text}");
        let text = describe_one(1, &found("/dev/video242"), &all);
        assert!(text.ends_with("option  --stream cam2=usb:046d:0825:B2\n"), "{text}");
    }
}
