//! `/streams/NAME/ws`: each binary message is one whole JPEG, nothing else. Any client can read it.

use std::io;

use fanlight_bus::clock;
use tokio_util::sync::CancellationToken;

use super::speech::{Speaker, Turn};
use super::websocket::{Partner, Say as _, converse};
use crate::closes::Why;
use crate::hub::{Bell, Next, Viewer};
use crate::server::{Outlet, Raw};
use crate::traffic::Held;

/// Shows one stream over a socket until either side ends it; returns why, for metrics and for people.
pub async fn show(raw: Raw, viewer: Viewer, bell: Bell, stop: CancellationToken) -> (Why, String) {
    converse(raw, stop, Show { viewer, bell }).await
}

struct Show {
    viewer: Viewer,
    bell: Bell,
}

impl Partner for Show {
    fn begin(&mut self, _: &mut Outlet) -> io::Result<()> {
        Ok(())
    }

    /// There is nothing but pictures to be had on this socket.
    fn answer(&mut self, _: &mut Outlet, _: &str) -> io::Result<()> {
        Ok(())
    }
}

impl Speaker for Show {
    fn speak(&mut self, outlet: &mut Outlet) -> io::Result<Turn> {
        let now = clock::now();
        if let Some(later) = outlet.wait(now)? {
            self.viewer.hold(Held::Link);
            return Ok(Turn::At(later));
        }
        match self.viewer.next(now) {
            Next::Frame(frame, newer) => {
                outlet.binary(&[], &frame.payload)?;
                Ok(if newer { Turn::More } else { Turn::Done })
            }
            Next::At(due) => Ok(Turn::At(due)),
            Next::Nothing => Ok(Turn::Done),
        }
    }

    fn waited(&mut self) {
        self.viewer.hold(Held::Link);
    }

    fn bell(&self) -> &Bell {
        &self.bell
    }
}
