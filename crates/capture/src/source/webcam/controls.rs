//! Controls of a camera that the user sets, by the names that `--list-devices` prints.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::v4l2::{Control, Device};

/// The most controls of a stream: more than any camera has.
pub const MAX_CONTROLS: usize = 64;

/// Values to set, by the name of their control.
pub type Controls = BTreeMap<String, ControlValue>;

/// The value of a control: a number. That of a switch is 1 or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ControlValue(pub i32);

/// A text that is not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a control's value is a whole number, true or false")]
pub struct InvalidValue;

impl std::str::FromStr for ControlValue {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "true" => Ok(Self(1)),
            "false" => Ok(Self(0)),
            _ => text.parse().map(Self).map_err(|_| InvalidValue),
        }
    }
}

impl<'de> Deserialize<'de> for ControlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrSwitch)
    }
}

struct NumberOrSwitch;

impl Visitor<'_> for NumberOrSwitch {
    type Value = ControlValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number, true or false")
    }

    fn visit_bool<E>(self, on: bool) -> Result<ControlValue, E> {
        Ok(ControlValue(on.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<ControlValue, E> {
        number.try_into().map(ControlValue).map_err(|_| E::custom(InvalidValue))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ControlValue, E> {
        number.try_into().map(ControlValue).map_err(|_| E::custom(InvalidValue))
    }
}

/// Sets the controls, through a file descriptor of its own. Returns a message for each one that could not be set, with
/// the possible values.
pub(super) fn apply(path: &Path, values: &Controls) -> Vec<String> {
    if values.is_empty() {
        return Vec::new();
    }
    let shown = path.display();
    let device = match Device::open(path) {
        Ok(device) => device,
        Err(error) => return vec![format!("the controls of {shown} cannot be set: {error}")],
    };
    let controls = device.controls();
    let set = |(name, value): (&String, ControlValue)| {
        let control = check(&controls, name, value.0)?;
        let refused = |error| format!("control.{name}={}: the driver reports: {error}", value.0);
        device.set(control, value.0).map_err(refused)
    };
    let failures = in_order(values).filter_map(|value| set(value).err());
    failures.map(|failure| format!("{shown}: {failure}")).collect()
}

/// Returns the automatic modes first: while one is on, the driver refuses to set the controls that it adjusts.
fn in_order(values: &Controls) -> impl Iterator<Item = (&String, ControlValue)> {
    let all = || values.iter().map(|(name, value)| (name, *value));
    let automatic = |name: &str| name.contains("auto");
    all()
        .filter(move |(name, _)| automatic(name))
        .chain(all().filter(move |(name, _)| !automatic(name)))
}

/// Returns the control with this name, if it accepts the value.
fn check<'a>(controls: &'a [Control], name: &str, value: i32) -> Result<&'a Control, String> {
    let Some(control) = controls.iter().find(|control| control.name == name) else {
        let names: Vec<&str> = controls.iter().map(|control| control.name.as_str()).collect();
        return Err(match names.is_empty() {
            true => format!("control.{name}: this camera has no controls"),
            false => {
                format!("control.{name}: unknown control; this camera has {}", names.join(", "))
            }
        });
    };
    let in_range = (control.minimum..=control.maximum).contains(&value);
    let in_menu = control.menu.is_empty() || control.menu.iter().any(|(item, _)| *item == value);
    match control.read_only {
        true => Err(format!("control.{name} is read-only")),
        false if in_range && in_menu => Ok(control),
        false => Err(format!(
            "control.{name}={value}: not possible; possible values are {}",
            possible(control)
        )),
    }
}

/// Describes the values that a control accepts.
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

    fn controls() -> Vec<Control> {
        let mut auto = Control::fake("auto_exposure");
        (auto.maximum, auto.menu) = (3, vec![(1, "Manual Mode".into()), (3, "Automatic".into())]);
        let mut temperature = Control::fake("temperature");
        temperature.read_only = true;
        vec![Control::fake("brightness"), auto, temperature]
    }

    #[test]
    fn an_impossible_control_is_refused_with_the_possible_ones() {
        let refused = |name, value| check(&controls(), name, value).expect_err(name);
        assert!(refused("brihgtness", 1).ends_with("auto_exposure, temperature"));
        assert!(refused("brightness", 256).ends_with("0 to 255"));
        assert!(refused("auto_exposure", 2).ends_with("1 (Manual Mode), 3 (Automatic)"));
        assert!(refused("temperature", 2).contains("read-only"));
        assert!(check(&[], "focus", 1).unwrap_err().contains("has no controls"));
        for value in [0, 255] {
            assert_eq!(check(&controls(), "brightness", value).unwrap().name, "brightness");
        }
        assert!(check(&controls(), "auto_exposure", 3).is_ok());
    }

    #[test]
    fn automatic_modes_are_set_before_the_controls_that_they_adjust() {
        let names = ["auto_exposure", "exposure_time_absolute", "brightness", "focus_automatic"];
        let values: Controls = names.iter().map(|&name| (name.into(), ControlValue(1))).collect();
        let order: Vec<&String> = in_order(&values).map(|(name, _)| name).collect();
        assert_eq!(
            order,
            ["auto_exposure", "focus_automatic", "brightness", "exposure_time_absolute"]
        );
    }

    #[test]
    fn a_missing_camera_is_reported() {
        let values = Controls::from([("brightness".to_owned(), ControlValue(1))]);
        assert!(apply(Path::new("/dev/video255"), &values)[0].contains("cannot be set"));
        assert!(apply(Path::new("/dev/video255"), &Controls::new()).is_empty());
    }

    #[test]
    fn a_value_is_an_integer_or_a_switch() {
        for (text, value) in [("120", 120), ("-4", -4), ("true", 1), ("false", 0)] {
            assert_eq!(text.parse(), Ok(ControlValue(value)), "{text}");
        }
        for bad in ["", "1.5", "on", "3000000000"] {
            assert_eq!(bad.parse::<ControlValue>(), Err(InvalidValue), "{bad}");
        }
    }
}
