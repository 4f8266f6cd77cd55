//! A network camera that sends H.264 over RTSP, with the true capture time in each picture.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::fake_machine;
use crate::program::Program;
use crate::site::Site;
use crate::tools;

/// The camera is a GStreamer server, because ffmpeg cannot act as an RTSP server.
const CAMERA: &str = include_str!("../rtsp_camera.py");

/// A camera at `rtsp://127.0.0.1:PORT/video`.
#[derive(Debug)]
pub struct RtspCamera {
    program: Arc<Program>,
    url: String,
    /// The file that makes its clock jump, if it can.
    clock_jump: Option<PathBuf>,
}

impl RtspCamera {
    /// Starts a camera, at `port` if one is given. With `b_frames` B-frames in a row it sends pictures in another order
    /// than they are displayed.
    ///
    /// # Panics
    /// Panics if GStreamer's packages are missing: the log lists them.
    pub fn switch_on(site: &Site, b_frames: u32, port: Option<u16>) -> Self {
        Self::switched_on(site, b_frames, port, 30, false)
    }

    /// Starts a camera that sends a keyframe every `pictures` pictures, at 30 pictures per second.
    ///
    /// # Panics
    /// Panics like [`Self::switch_on`].
    pub fn with_a_keyframe_every(pictures: u32, site: &Site) -> Self {
        Self::switched_on(site, 0, None, pictures, false)
    }

    /// Starts a camera for [`Self::let_clock_jump`].
    ///
    /// # Panics
    /// Panics like [`Self::switch_on`], and if gcc is missing.
    pub fn with_unsteady_clock(site: &Site) -> Self {
        Self::switched_on(site, 0, None, 30, true)
    }

    fn switched_on(
        site: &Site,
        b_frames: u32,
        port: Option<u16>,
        keyframes: u32,
        jumps: bool,
    ) -> Self {
        let port = port.unwrap_or(0).to_string();
        let (b_frames, keyframes) = (b_frames.to_string(), keyframes.to_string());
        let arguments = ["-u", "-c", CAMERA, &b_frames, &port, &keyframes];
        let mut command = tools::tool(tools::PYTHON, &arguments);
        let clock_jump = jumps.then(|| fake_machine::let_clock_jump(&mut command, &site.path("")));
        let program = site.start(command);
        let line = program.says("listening at");
        let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
        Self { program, url, clock_jump }
    }

    /// Returns its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its port.
    ///
    /// # Panics
    /// Panics if its URL has none.
    pub fn port(&self) -> u16 {
        let port = self.url.split([':', '/']).filter_map(|piece| piece.parse().ok()).next();
        port.unwrap_or_else(|| panic!("no port in {}", self.url))
    }

    /// Sets the camera's clock 30 s ahead.
    ///
    /// # Panics
    /// Panics if it was not started for that.
    pub fn let_clock_jump(&self) {
        let file = self.clock_jump.as_ref().expect("a camera with an unsteady clock");
        fs::write(file, "").expect("the site's folder is ours");
    }

    /// Kills the camera, as a power failure would.
    pub fn switch_off(&self) {
        self.program.kill();
    }
}
