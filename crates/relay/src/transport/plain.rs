//! `/streams/NAME/ws`: each binary message is one encoded picture, nothing else: a whole JPEG, which any
//! client can read, or an access unit of H.264.

use std::io;

use tokio_util::sync::CancellationToken;

use super::fit::{Single, Tile};
use super::speech::{Speaker, Turn, take_turn};
use super::websocket::{Partner, Say as _, converse};
use crate::closes::Why;
use crate::hub::Bell;
use crate::server::{Outlet, Raw};
use crate::traffic::Held;

/// Shows one stream over a socket until either side ends it; returns why, for metrics and for people.
pub async fn show(raw: Raw, tile: Tile, bell: Bell, stop: CancellationToken) -> (Why, String) {
    converse(raw, stop, Show { single: Single::new(tile), bell }).await
}

struct Show {
    single: Single,
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
        let viewer = self.single.fitted(outlet);
        take_turn(viewer, outlet, |outlet, frame| outlet.binary(&[], &frame.payload))
    }

    fn waited(&mut self) {
        self.single.viewer().hold(Held::Link);
    }

    fn closed(&mut self, why: Why) {
        self.single.viewer().close(why);
    }

    fn bell(&self) -> &Bell {
        &self.bell
    }
}
