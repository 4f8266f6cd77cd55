//! A network camera that sends H.264 over RTSP, each frame with its true time in it.

use std::sync::Arc;

use crate::program::Program;
use crate::site::Site;
use crate::tools;

/// GStreamer's server does the work; ffmpeg cannot listen.
const CAMERA: &str = include_str!("../rtsp_camera.py");

/// A camera at `rtsp://127.0.0.1:PORT/video`.
#[derive(Debug)]
pub struct RtspCamera {
    program: Arc<Program>,
    url: String,
}

impl RtspCamera {
    /// Starts a camera, on a given port if there is one; with `b_frames` in a row it sends frames in another order than
    /// the display order.
    ///
    /// # Panics
    /// Panics if GStreamer's packages are missing: the log names them.
    pub fn switch_on(site: &Site, b_frames: u32, port: Option<u16>) -> Self {
        Self::switched_on(site, b_frames, port, 30)
    }

    /// Starts a camera with a keyframe every this many frames, at 30 frames per second.
    ///
    /// # Panics
    /// As [`Self::switch_on`].
    pub fn with_a_keyframe_every(pictures: u32, site: &Site) -> Self {
        Self::switched_on(site, 0, None, pictures)
    }

    fn switched_on(site: &Site, b_frames: u32, port: Option<u16>, keyframes: u32) -> Self {
        let port = port.unwrap_or(0).to_string();
        let (b_frames, keyframes) = (b_frames.to_string(), keyframes.to_string());
        let arguments = ["-u", "-c", CAMERA, &b_frames, &port, &keyframes];
        let program = site.start(tools::tool(tools::PYTHON, &arguments));
        let line = program.says("listening at");
        let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
        Self { program, url }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its port.
    ///
    /// # Panics
    /// Panics if its address has none.
    pub fn port(&self) -> u16 {
        let port = self.url.split([':', '/']).filter_map(|piece| piece.parse().ok()).next();
        port.unwrap_or_else(|| panic!("no port in {}", self.url))
    }

    /// Stops the camera without closing its connections properly.
    pub fn switch_off(&self) {
        self.program.kill();
    }
}
