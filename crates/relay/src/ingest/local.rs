//! The numbers of publishers that are clients of this relay, and not on the bus.

use fanlight_bus::PublisherId;

/// The first number of a publisher that is a client of this relay. The bus counts its publishers from 0.
const FIRST: u32 = 1 << 31;
/// The count of such numbers, after which they start again. The last number stands for no publisher.
const NUMBERS: u32 = FIRST - 1;

/// Returns whether a publisher is a client of this relay, and not on the bus.
pub(super) fn is_local(publisher: PublisherId) -> bool {
    publisher.0 >= FIRST
}

/// Returns the publisher with this number among the clients of this relay.
pub(super) fn local(number: u32) -> PublisherId {
    PublisherId(FIRST + number % NUMBERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_publishers_on_the_bus_have_different_numbers() {
        for number in [0, 1, NUMBERS - 1, NUMBERS, u32::MAX] {
            let id = local(number);
            assert!(is_local(id) && id.0 != u32::MAX, "{id:?}");
        }
        assert!(!is_local(PublisherId(0)) && !is_local(PublisherId(FIRST - 1)));
    }
}
