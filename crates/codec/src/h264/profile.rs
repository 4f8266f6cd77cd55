//! Profile and level of H.264, for people.

use super::annex_b::{self, NalType};

/// Returns profile and level of an access unit with start codes, as in `High, level 4.0`; `None` if it has no sequence
/// parameter set.
pub fn profile_and_level(access_unit: &[u8]) -> Option<String> {
    let sps = annex_b::nal_units(access_unit).find(|unit| NalType::of(unit) == NalType::Sps)?;
    let &[_, profile, constraints, level, ..] = sps else { return None };
    let profile = name(profile, constraints);
    let (whole, tenth) = (level / 10, level % 10);
    Some(format!("{profile}, level {whole}.{tenth}"))
}

/// The names of ITU-T H.264, annex A.
fn name(profile: u8, constraints: u8) -> String {
    let is_constrained = constraints & 0x40 != 0;
    match profile {
        66 if is_constrained => "Constrained Baseline".into(),
        66 => "Baseline".into(),
        77 => "Main".into(),
        88 => "Extended".into(),
        100 => "High".into(),
        110 => "High 10".into(),
        122 => "High 4:2:2".into(),
        244 => "High 4:4:4 Predictive".into(),
        other => format!("profile {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_unit_with_a_parameter_set_has_a_profile_and_a_level() {
        let unit = |profile, constraints, level| {
            [&[0, 0, 0, 1, 0x67, profile, constraints, level, 0xac][..], &[0, 0, 1, 0x65, 1]]
                .concat()
        };
        let text = |profile, constraints, level| {
            profile_and_level(&unit(profile, constraints, level)).unwrap()
        };
        assert_eq!(text(100, 0, 40), "High, level 4.0");
        assert_eq!(text(66, 0xc0, 31), "Constrained Baseline, level 3.1");
        assert_eq!(text(1, 0, 9), "profile 1, level 0.9");
        assert_eq!(profile_and_level(&[0, 0, 1, 0x41, 1]), None);
        assert_eq!(profile_and_level(&[0, 0, 1, 0x67, 1]), None);
    }
}
