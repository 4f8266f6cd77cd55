//! A relay in this process, between cameras that publish exactly the frames of a test and viewers that read what they
//! are sent. No result depends on the speed of the machine.

mod harness;

mod admission;
mod catalog;
mod fan_out;
mod h264;
mod http;
mod renditions;
mod v1;
mod view_options;
