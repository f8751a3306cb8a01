//! What the probe product can be asked, read from a message.

use std::time::Duration;

use bytes::Bytes;

use crate::protocol::{Command, Malformed, Reader};

pub(super) const ECHO: Command = Command(101);
pub(super) const DELAYED_ECHO: Command = Command(102);
pub(super) const BURST: Command = Command(103);
pub(super) const THROW: Command = Command(104);
pub(super) const REPORT: Command = Command(105);
pub(super) const EXIT: Command = Command(106);
pub(super) const ABORT: Command = Command(107);
pub(super) const STALL: Command = Command(108);
pub(super) const SINK: Command = Command(109);
pub(super) const SINK_TOTAL: Command = Command(110);
pub(super) const OPEN_FILE: Command = Command(111);
pub(super) const LAUNCH: Command = Command(112);
pub(super) const LATER: Command = Command(113);
/// The command of the messages that [`LATER`] asks for.
pub(super) const UNSOLICITED: Command = Command(200);

/// A request, without its token. [`SINK`] is none of them: its data are not kept.
#[derive(Debug)]
pub(super) enum Request {
    Echo(Bytes),
    DelayedEcho(Duration, Bytes),
    Burst { count: i32, size: i32 },
    Throw(String),
    Report,
    Exit(i32),
    Abort,
    Stall(i32, Duration),
    SinkTotal,
    OpenFile(String),
    Launch(Duration),
    Later(Duration, Bytes),
}

/// Why a request is not served.
#[derive(Debug)]
pub(super) enum Unserved {
    Unknown,
    Malformed(String),
}

/// The most bytes of value that a message of a burst may have: with token, status and sequence number its length
/// has to fit an int32.
const MAX_BURST_SIZE: i32 = i32::MAX - 9;

impl Request {
    /// Reads the data of a message, token included. The token is 0 where there is none.
    pub(super) fn read(command: Command, data: &Bytes) -> (i32, Result<Self, Unserved>) {
        let mut reader = Reader::new(data);
        let token = reader.int32("token");
        let given = token.as_ref().copied().unwrap_or(0);
        if !is_known(command) {
            return (given, Err(Unserved::Unknown));
        }
        let read = token.map_err(Unserved::from).and_then(|_| Self::fields(command, data, &mut reader));
        (given, read)
    }

    fn fields(command: Command, data: &Bytes, reader: &mut Reader<'_>) -> Result<Self, Unserved> {
        Ok(match command {
            ECHO => Self::Echo(data.slice(reader.position()..)),
            DELAYED_ECHO => Self::DelayedEcho(milliseconds(reader)?.1, data.slice(reader.position()..)),
            BURST => Self::Burst { count: counted(reader, "count", i32::MAX)?, size: size(reader)? },
            THROW => Self::Throw(reader.string("message")?.to_owned()),
            REPORT => Self::Report,
            EXIT => Self::Exit(reader.int32("code")?),
            ABORT => Self::Abort,
            STALL => {
                let (number, time) = milliseconds(reader)?;
                Self::Stall(number, time)
            }
            SINK_TOTAL => Self::SinkTotal,
            OPEN_FILE => Self::OpenFile(reader.string("path")?.to_owned()),
            LAUNCH => {
                Self::Launch(Duration::from_secs(counted(reader, "seconds", i32::MAX)?.unsigned_abs().into()))
            }
            LATER => Self::Later(milliseconds(reader)?.1, data.slice(reader.position()..)),
            // Of the known ones only a sink is left, which is taken apart before it is whole.
            _ => return Err(Unserved::Unknown),
        })
    }
}

impl From<Malformed> for Unserved {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error.to_string())
    }
}

fn is_known(command: Command) -> bool {
    (ECHO.0..=LATER.0).contains(&command.0)
}

fn milliseconds(reader: &mut Reader<'_>) -> Result<(i32, Duration), Unserved> {
    let number = counted(reader, "milliseconds", i32::MAX)?;
    Ok((number, Duration::from_millis(number.unsigned_abs().into())))
}

fn size(reader: &mut Reader<'_>) -> Result<i32, Unserved> {
    counted(reader, "size", MAX_BURST_SIZE)
}

/// An int32 from 0 to a limit.
fn counted(reader: &mut Reader<'_>, field: &str, most: i32) -> Result<i32, Unserved> {
    let offset = reader.position();
    let number = reader.int32(field)?;
    if (0..=most).contains(&number) {
        return Ok(number);
    }
    Err(Unserved::Malformed(format!("{field} at offset {offset}: expected 0 to {most}, found {number}")))
}
