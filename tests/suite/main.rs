//! The end-to-end suite, by theme. How a test speaks is in the harness beside this folder, `src/`.

mod access;
mod age;
mod architecture;
mod bus;
mod bus_security;
mod clients;
mod documented;
mod door;
mod ending;
mod fanout;
mod h264;
mod joins;
mod late;
mod limits;
mod links;
mod lossy;
mod manners;
mod options;
mod recovery;
mod sources;
mod standby;
mod supervising;
mod transports;
