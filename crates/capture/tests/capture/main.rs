//! A whole capture from outside: started within the process or as a program, and watched over the bus.

mod colours;
mod encoders;
mod endless;
mod exec;
mod files;
mod geometry;
mod h264;
mod harness;
mod http;
mod jpegs;
mod keyframes;
mod leaks;
mod masking;
mod passthrough;
mod program;
mod renditions;
mod rest;
mod rtsp;
mod rtsp_camera;
mod secrets;
mod shown;
mod source_clock;
mod streams;
mod stuck;
mod urls;
mod webcam;
