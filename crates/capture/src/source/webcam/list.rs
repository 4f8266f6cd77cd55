//! Which webcams there are.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use super::sysfs::{self, DEVICES, Node};
use super::v4l2::{Card, Control, Device, Offer};
use super::{controls, names};

/// More rates than these of one size tell nobody anything.
const RATES_SHOWN: usize = 6;

struct Found {
    path: PathBuf,
    /// None where this user may not open it.
    card: Option<Card>,
    offers: Vec<Offer>,
    controls: Vec<Control>,
}

/// The webcams there are, in a few words: `found: /dev/video0 "HD Webcam"`.
pub(super) fn found() -> String {
    let all = paths().filter_map(|path| {
        let card = card(&path)?;
        let name = card.1.map_or(String::new(), |card| format!(" {:?}", card.name));
        Some(format!("{}{name}", path.display()))
    });
    let names: Vec<String> = all.collect();
    match names.len() {
        0 => "no camera is connected".into(),
        _ => format!("found: {}", names.join(", ")),
    }
}

/// All webcams with what they offer, what can be set, and the line to write, for people.
pub fn describe() -> String {
    let all: Vec<Found> = paths().filter_map(look).collect();
    if all.is_empty() {
        return "No camera is connected. Without one there is the test picture: --stream test=test\n".into();
    }
    let nodes = sysfs::nodes(Path::new(sysfs::ROOT));
    // Only those that give pictures: the others have no name to be mistaken for.
    let listed: Vec<&Node> =
        nodes.iter().filter(|node| all.iter().any(|found| found.path == node.path())).collect();
    let describe = |(at, found)| describe_one(at, found, &listed);
    all.iter().enumerate().map(describe).collect()
}

fn paths() -> impl Iterator<Item = PathBuf> {
    (0..DEVICES).map(|number| format!("/dev/video{number}").into())
}

/// A camera that gives pictures, opened, and what it says of itself; neither where this user may not open it.
fn card(path: &Path) -> Option<(Option<Device>, Option<Card>)> {
    match Device::open(path) {
        Ok(device) => {
            let card = device.card().ok().filter(|card| card.captures)?;
            Some((Some(device), Some(card)))
        }
        Err(error) => (error.kind() == io::ErrorKind::PermissionDenied).then_some((None, None)),
    }
}

fn look(path: PathBuf) -> Option<Found> {
    let (device, card) = card(&path)?;
    let offers = device.as_ref().map(Device::offers).unwrap_or_default();
    let controls = device.as_ref().map(Device::controls).unwrap_or_default();
    Some(Found { path, card, offers, controls })
}

fn describe_one(at: usize, found: &Found, all: &[&Node]) -> String {
    let path = found.path.display();
    let mut text = match &found.card {
        Some(card) => format!("{path}  {}  ({})\n", card.name, card.bus),
        None => format!("{path}  not permitted: add this user to group video and log in again\n"),
    };
    let node = all.iter().find(|node| node.path() == found.path);
    for name in node.map(|node| names::lasting(node, all)).unwrap_or_default() {
        let _ = writeln!(text, "    always  {name}");
    }
    for offer in &found.offers {
        let _ = writeln!(text, "    offers  {}", describe_offer(offer));
    }
    for control in &found.controls {
        let _ = writeln!(text, "    set     {}", describe_control(control));
    }
    let name = if at == 0 { "cam".into() } else { format!("cam{}", at + 1) };
    let source = node.map_or(path.to_string(), |node| names::best(node, all));
    let _ = writeln!(text, "    write   --stream {}", quoted(&format!("{name}={source}")));
    text
}

fn describe_offer(Offer { fourcc, width, height, rates }: &Offer) -> String {
    let rates: Vec<String> = rates
        .iter()
        .take(RATES_SHOWN)
        .map(|rate| format!("{}", (rate * 100.0).round() / 100.0))
        .collect();
    let rates =
        if rates.is_empty() { String::new() } else { format!(" at {} fps", rates.join(", ")) };
    format!("{fourcc} {width}x{height}{rates}")
}

/// As it is written behind a source, with the value it has now.
fn describe_control(control: &Control) -> String {
    let now = control.current.map_or("…".into(), |value| value.to_string());
    let read_only = if control.read_only { ", can only be read" } else { "" };
    format!(
        "#control.{}={now}  ({}; usually {}{read_only})",
        control.name,
        controls::possible(control),
        control.default
    )
}

/// In quotes where a shell would take it for something else.
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
            card: Some(Card { name: "HD Webcam".into(), bus: "usb-1".into(), captures: true }),
            offers: vec![Offer {
                fourcc: "MJPG".into(),
                width: 1280,
                height: 720,
                rates: vec![30.0, 30_000.0 / 1001.0],
            }],
            controls: vec![Control::made_up("brightness")],
        }
    }

    #[test]
    fn an_entry_shows_name_offers_controls_and_the_line_to_write() {
        let text = describe_one(1, &found("/dev/video242"), &[]);
        assert!(text.starts_with("/dev/video242  HD Webcam  (usb-1)\n"), "{text}");
        assert!(text.contains("offers  MJPG 1280x720 at 30, 29.97 fps\n"), "{text}");
        assert!(
            text.contains("set     #control.brightness=120  (0 to 255; usually 128)"),
            "{text}"
        );
        assert!(text.ends_with("write   --stream cam2=/dev/video242\n"), "{text}");
    }

    #[test]
    fn two_of_one_type_get_lines_that_tell_them_apart() {
        let camera = |number, serial: &str| {
            let usb = Usb { vendor: 0x046d, product: 0x0825, serial: Some(serial.into()) };
            Node::made_up(number, "HD Webcam", "1-3", Some(usb))
        };
        let (one, other) = (camera(240, "A 1"), camera(242, "B2"));
        let all = [&one, &other];
        let text = describe_one(0, &found("/dev/video240"), &all);
        assert!(text.contains("always  usb:046d:0825:A 1\n"), "{text}");
        assert!(text.ends_with("write   --stream 'cam=usb:046d:0825:A 1'\n"), "{text}");
        let text = describe_one(1, &found("/dev/video242"), &all);
        assert!(text.ends_with("write   --stream cam2=usb:046d:0825:B2\n"), "{text}");
    }
}
