//! How the values of settings are written, in a configuration file and in options alike.
//!
//! Each function reads one kind of value; its error is a sentence for people that says what would be right. It
//! does not name the setting: whoever asked knows that.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{EncryptionMode, ServerVersionForm};
use crate::protocol::{Key, Padding};

/// Room for a shared-memory ring: at least 64 bytes, at most 2^30.
const RING_CAPACITIES: std::ops::RangeInclusive<u32> = 64..=1 << 30;

fn number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("`{text}` is no whole number from {min} to {max}"))
}

/// A port to listen on.
///
/// # Errors
///
/// Anything but 1 to 65535.
pub fn port(text: &str) -> Result<u16, String> {
    let port = number(text, 1, u16::MAX.into())?;
    u16::try_from(port).map_err(|error| error.to_string())
}

/// A port to listen on, or 0 to have the operating system choose one.
///
/// # Errors
///
/// Anything but 0 to 65535.
pub fn port_or_any(text: &str) -> Result<u16, String> {
    let port = number(text, 0, u16::MAX.into())?;
    u16::try_from(port).map_err(|error| error.to_string())
}

/// A positive number of things.
///
/// # Errors
///
/// Anything but 1 to 4294967295.
pub fn count(text: &str) -> Result<u32, String> {
    number(text, 1, u32::MAX)
}

/// A number of seconds.
///
/// # Errors
///
/// Anything but 1 to 4294967295.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let unit = |message| format!("{message}, in seconds");
    number(text, 1, u32::MAX).map_err(unit).map(|seconds| Duration::from_secs(seconds.into()))
}

/// A number of milliseconds.
///
/// # Errors
///
/// Anything but 1 to 4294967295.
pub fn milliseconds(text: &str) -> Result<Duration, String> {
    let unit = |message| format!("{message}, in milliseconds");
    number(text, 1, u32::MAX).map_err(unit).map(|milliseconds| Duration::from_millis(milliseconds.into()))
}

/// A limit for the data of a message, in bytes.
///
/// # Errors
///
/// Anything but 1 to 2147483646: a length of 2147483647 is always above the limit (FRM-6).
pub fn message_limit(text: &str) -> Result<u32, String> {
    number(text, 1, i32::MAX.unsigned_abs() - 1)
}

/// The size of a shared-memory ring, in bytes.
///
/// # Errors
///
/// Anything but a power of two from 64 to 2^30.
pub fn ring_capacity(text: &str) -> Result<u32, String> {
    let capacity = number(text, *RING_CAPACITIES.start(), *RING_CAPACITIES.end())?;
    let power = capacity.is_power_of_two().then_some(capacity);
    let (least, most) = (RING_CAPACITIES.start(), RING_CAPACITIES.end());
    power.ok_or_else(|| format!("`{text}` is no power of two from {least} to {most}"))
}

/// An address to listen on.
///
/// # Errors
///
/// Anything but a plain IPv4 or IPv6 address.
pub fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no IP address; write one such as 127.0.0.1 or ::1"))
}

/// An encryption mode.
///
/// # Errors
///
/// Any word but `none`, `ssl` and `aes`, in small letters: nothing is guessed that security hangs on (AES-8).
pub fn encryption_mode(text: &str) -> Result<EncryptionMode, String> {
    match text {
        "none" => Ok(EncryptionMode::None),
        "ssl" => Ok(EncryptionMode::Ssl),
        "aes" => Ok(EncryptionMode::Aes),
        _ => Err(format!("`{text}` is no encryption mode; write none, ssl or aes")),
    }
}

/// The shared key: 32 or 64 hexadecimal digits (AES-5). A message about a wrong one does not repeat it.
///
/// # Errors
///
/// Any other number of digits, and anything that is no hexadecimal digit.
pub fn aes_key(text: &str) -> Result<Key, String> {
    let wanted = "a key is 32 or 64 hexadecimal digits";
    if let Some(position) = text.chars().position(|c| !c.is_ascii_hexdigit()) {
        return Err(format!("{wanted}; character {} of this one is none", position + 1));
    }
    let bytes = hex::decode(text).ok().and_then(|bytes| Key::try_from(bytes.as_slice()).ok());
    bytes.ok_or_else(|| format!("{wanted}; this one has {}", text.len()))
}

/// The padding of mode aes.
///
/// # Errors
///
/// Any word but `pkcs7` and `zeros`.
pub fn aes_padding(text: &str) -> Result<Padding, String> {
    match text {
        "pkcs7" => Ok(Padding::Pkcs7),
        "zeros" => Ok(Padding::Zeros),
        _ => Err(format!("`{text}` is no padding; write pkcs7 or zeros")),
    }
}

/// `true` or `false`.
///
/// # Errors
///
/// Any other word.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// The form of the server version.
///
/// # Errors
///
/// Any word but `int32` and `int32x4`.
pub fn server_version(text: &str) -> Result<ServerVersionForm, String> {
    match text {
        "int32" => Ok(ServerVersionForm::Int32),
        "int32x4" => Ok(ServerVersionForm::Int32x4),
        _ => Err(format!("`{text}` is no form of the server version; write int32 or int32x4")),
    }
}

/// A path, relative to the working directory.
///
/// # Errors
///
/// One that is empty.
pub fn path(text: &str) -> Result<PathBuf, String> {
    text_of_path(text).map(PathBuf::from)
}

/// A path that is kept as it was written.
///
/// # Errors
///
/// One that is empty.
pub fn text_of_path(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("the path is empty".to_owned()) } else { Ok(text.to_owned()) }
}
