//! Which webcams there are.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::v4l2::{Card, Device, Offer};

/// Video4Linux gives out no higher number (`VIDEO_NUM_DEVICES` in the kernel's `v4l2-dev.h`).
const DEVICES: u32 = 256;
/// More rates than these of one size tell nobody anything.
const RATES_SHOWN: usize = 6;

struct Found {
    path: PathBuf,
    /// None where this user may not open it.
    card: Option<Card>,
    offers: Vec<Offer>,
}

/// The webcams there are, in a few words: `found: /dev/video0 "HD Webcam"`.
pub(super) fn found() -> String {
    let names: Vec<String> = paths()
        .filter_map(|path| match Device::open(&path) {
            Ok(device) => {
                let card = device.card().ok().filter(|card| card.captures)?;
                Some(format!("{} {:?}", path.display(), card.name))
            }
            Err(error) => not_permitted(&error).then(|| path.display().to_string()),
        })
        .collect();
    match names.len() {
        0 => "no camera is connected".into(),
        _ => format!("found: {}", names.join(", ")),
    }
}

/// All webcams with what they offer and the line to write, for people.
pub fn describe() -> String {
    let all: Vec<Found> = paths().filter_map(look).collect();
    if all.is_empty() {
        return "No camera is connected. Without one there is the test picture: --stream test=test\n".into();
    }
    all.iter().enumerate().map(|(at, found)| describe_one(at, found)).collect()
}

fn paths() -> impl Iterator<Item = PathBuf> {
    (0..DEVICES).map(|number| format!("/dev/video{number}").into())
}

fn look(path: PathBuf) -> Option<Found> {
    match Device::open(&path) {
        Ok(device) => {
            let card = device.card().ok().filter(|card| card.captures)?;
            Some(Found { path, card: Some(card), offers: device.offers() })
        }
        Err(error) => {
            not_permitted(&error).then_some(Found { path, card: None, offers: Vec::new() })
        }
    }
}

fn not_permitted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn describe_one(at: usize, found: &Found) -> String {
    let path = found.path.display();
    let mut text = match &found.card {
        Some(card) => format!("{path}  {}  ({})\n", card.name, card.bus),
        None => format!("{path}  not permitted: add this user to group video and log in again\n"),
    };
    for stable in by_id(Path::new("/dev/v4l/by-id"), &found.path) {
        let _ = writeln!(text, "    always  {}", stable.display());
    }
    for offer in &found.offers {
        let _ = writeln!(text, "    offers  {}", describe_offer(offer));
    }
    let name = if at == 0 { "cam".into() } else { format!("cam{}", at + 1) };
    let _ = writeln!(text, "    write   --stream {name}={path}");
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

/// The names of this device that stay the same when it is plugged in elsewhere.
fn by_id(folder: &Path, device: &Path) -> Vec<PathBuf> {
    let Ok(links) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let same = |link: &Path| fs::canonicalize(link).is_ok_and(|target| target == device);
    links.flatten().map(|link| link.path()).filter(|link| same(link)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_shows_name_offers_and_the_line_to_write() {
        let found = Found {
            path: "/dev/video2".into(),
            card: Some(Card { name: "HD Webcam".into(), bus: "usb-1".into(), captures: true }),
            offers: vec![Offer {
                fourcc: "MJPG".into(),
                width: 1280,
                height: 720,
                rates: vec![30.0, 30_000.0 / 1001.0],
            }],
        };
        let text = describe_one(1, &found);
        assert!(text.starts_with("/dev/video2  HD Webcam  (usb-1)\n"), "{text}");
        assert!(text.contains("offers  MJPG 1280x720 at 30, 29.97 fps\n"), "{text}");
        assert!(text.ends_with("write   --stream cam2=/dev/video2\n"), "{text}");
    }

    #[test]
    fn lasting_names_are_links_to_the_device() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().canonicalize().unwrap().join("video9");
        fs::write(&device, "").unwrap();
        let link = folder.path().join("usb-cam");
        std::os::unix::fs::symlink(&device, &link).unwrap();
        assert!(by_id(folder.path(), &device).contains(&link));
        assert!(by_id(Path::new("/nowhere"), &device).is_empty());
    }
}
