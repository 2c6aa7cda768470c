//! Messages that carry their number, and what can be wrong with one.

use super::dice::Dice;
use super::message;

/// The length of message `number` in bytes: mostly short, sometimes as long as they come.
fn length(number: u64) -> usize {
    let mut dice = Dice(number);
    let most = dice.pick(&[16, 100, 1000, 5000, 65_000]);
    8 + dice.roll(most) as usize
}

/// Message `number`: its number, and bytes that belong to it.
pub(crate) fn write_message(number: u64, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&number.to_le_bytes());
    buffer.extend_from_slice(message(number, length(number) - 8));
}

/// What is wrong with a message, if anything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Torn,
    Lost,
    Duplicated,
}

/// Holds what was received as message `number` against what it must be.
pub(crate) fn verify(received: &[u8], number: u64) -> Result<(), Fault> {
    let Some((first, rest)) = received.split_first_chunk() else { return Err(Fault::Torn) };
    match u64::from_le_bytes(*first) {
        found if found < number => Err(Fault::Duplicated),
        found if found > number => Err(Fault::Lost),
        _ if rest.len() == length(number) - 8 && rest == message(number, rest.len()) => Ok(()),
        _ => Err(Fault::Torn),
    }
}
