//! Pixel operations between a source and its encoders. They know neither.
//!
//! - [`image`]: the one form of pixels, with luma and chroma;
//! - [`colours`]: by which matrix and over which range these were computed;
//! - [`convert`], [`bgr`]: from a codec's pixel format, and from red, green and blue;
//! - [`decode`]: from a camera's JPEG, no larger than needed;
//! - [`geometry`]: square pixels and the orientation that a source declares;
//! - [`orientation`]: rotation and mirroring;
//! - [`overlay`]: name and time written into the frame;
//! - [`scale`]: to the size of a rendition;
//! - [`recolour`]: to the colours of an encoder.

pub mod bgr;
pub mod colours;
pub mod convert;
pub mod decode;
pub mod geometry;
pub mod image;
pub mod orientation;
pub mod overlay;
pub mod recolour;
pub mod scale;

pub use image::Image;

/// Width and height in pixels.
pub type Size = (u32, u32);
