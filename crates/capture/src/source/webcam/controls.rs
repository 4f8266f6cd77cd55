//! What a user wants set at a camera, by the names that `--list-devices` prints.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::v4l2::{Control, Device};

/// More than any camera has.
pub const MOST_CONTROLS: usize = 64;

/// Controls by name, and the value each is to have.
pub type Controls = BTreeMap<String, Value>;

/// A number; a switch is 1 or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Value(pub i32);

/// A text that is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a control's value is a whole number, or true or false")]
pub struct InvalidValue;

impl std::str::FromStr for Value {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "true" => Ok(Self(1)),
            "false" => Ok(Self(0)),
            _ => text.parse().map(Self).map_err(|_| InvalidValue),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrSwitch)
    }
}

struct NumberOrSwitch;

impl Visitor<'_> for NumberOrSwitch {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number, or true or false")
    }

    fn visit_bool<E>(self, on: bool) -> Result<Value, E> {
        Ok(Value(on.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        number.try_into().map(Value).map_err(|_| E::custom(InvalidValue))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        number.try_into().map(Value).map_err(|_| E::custom(InvalidValue))
    }
}

/// Sets what can be set, on a descriptor of our own; returns what could not be, and what is possible instead.
pub(super) fn apply(path: &Path, wanted: &Controls) -> Vec<String> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let shown = path.display();
    let device = match Device::open(path) {
        Ok(device) => device,
        Err(error) => return vec![format!("the controls of {shown} cannot be set: {error}")],
    };
    let offered = device.controls();
    let set = |(name, value): (&String, Value)| {
        let control = check(&offered, name, value.0)?;
        let refused = |error| format!("control.{name}={}: the driver says: {error}", value.0);
        device.set(control, value.0).map_err(refused)
    };
    let failures = in_order(wanted).filter_map(|wish| set(wish).err());
    failures.map(|failure| format!("{shown}: {failure}")).collect()
}

/// Automatics first: while one is on, the camera does not let what it sets be set.
fn in_order(wanted: &Controls) -> impl Iterator<Item = (&String, Value)> {
    let all = || wanted.iter().map(|(name, value)| (name, *value));
    let automatic = |name: &str| name.contains("auto");
    all()
        .filter(move |(name, _)| automatic(name))
        .chain(all().filter(move |(name, _)| !automatic(name)))
}

/// The control of this name, if it can have this value.
fn check<'a>(offered: &'a [Control], name: &str, value: i32) -> Result<&'a Control, String> {
    let Some(control) = offered.iter().find(|control| control.name == name) else {
        let names: Vec<&str> = offered.iter().map(|control| control.name.as_str()).collect();
        return Err(match names.is_empty() {
            true => format!("control.{name}: nothing can be set at this camera"),
            false => format!("control.{name}: there is none; there are {}", names.join(", ")),
        });
    };
    let in_range = (control.minimum..=control.maximum).contains(&value);
    let in_menu = control.menu.is_empty() || control.menu.iter().any(|(item, _)| *item == value);
    match control.read_only {
        true => Err(format!("control.{name} can only be read")),
        false if in_range && in_menu => Ok(control),
        false => Err(format!("control.{name}={value}: possible are {}", possible(control))),
    }
}

/// The values that a control can have.
pub(super) fn possible(control: &Control) -> String {
    if control.menu.is_empty() {
        let step =
            if control.step > 1 { format!(" in steps of {}", control.step) } else { String::new() };
        return format!("{} to {}{step}", control.minimum, control.maximum);
    }
    let items = control.menu.iter().map(|(value, meaning)| format!("{value} ({meaning})"));
    items.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Vec<Control> {
        let mut auto = Control::made_up("auto_exposure");
        (auto.maximum, auto.menu) = (3, vec![(1, "Manual Mode".into()), (3, "Automatic".into())]);
        let mut temperature = Control::made_up("temperature");
        temperature.read_only = true;
        vec![Control::made_up("brightness"), auto, temperature]
    }

    #[test]
    fn what_a_camera_has_not_is_refused_with_what_it_has() {
        let refused = |name, value| check(&offered(), name, value).expect_err(name);
        assert!(refused("brihgtness", 1).ends_with("auto_exposure, temperature"));
        assert!(refused("brightness", 256).ends_with("0 to 255"));
        assert!(refused("auto_exposure", 2).ends_with("1 (Manual Mode), 3 (Automatic)"));
        assert!(refused("temperature", 2).contains("only be read"));
        assert!(check(&[], "focus", 1).unwrap_err().contains("nothing can be set"));
        for value in [0, 255] {
            assert_eq!(check(&offered(), "brightness", value).unwrap().name, "brightness");
        }
        assert!(check(&offered(), "auto_exposure", 3).is_ok());
    }

    #[test]
    fn automatics_are_set_before_what_they_would_set() {
        let names = ["auto_exposure", "exposure_time_absolute", "brightness", "focus_automatic"];
        let wanted: Controls = names.iter().map(|&name| (name.into(), Value(1))).collect();
        let order: Vec<&String> = in_order(&wanted).map(|(name, _)| name).collect();
        assert_eq!(
            order,
            ["auto_exposure", "focus_automatic", "brightness", "exposure_time_absolute"]
        );
    }

    #[test]
    fn a_camera_that_is_gone_is_told() {
        let wanted = Controls::from([("brightness".to_owned(), Value(1))]);
        assert!(apply(Path::new("/dev/video255"), &wanted)[0].contains("cannot be set"));
        assert!(apply(Path::new("/dev/video255"), &Controls::new()).is_empty());
    }

    #[test]
    fn a_value_is_a_number_or_a_switch() {
        for (text, value) in [("120", 120), ("-4", -4), ("true", 1), ("false", 0)] {
            assert_eq!(text.parse(), Ok(Value(value)), "{text}");
        }
        for bad in ["", "1.5", "on", "3000000000"] {
            assert_eq!(bad.parse::<Value>(), Err(InvalidValue), "{bad}");
        }
    }
}
