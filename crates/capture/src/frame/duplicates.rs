//! Pictures that are the same as the one before, as a screen or a camera in front of a wall gives them.

use opencv::core::{MatTraitConst, MatTraitConstManual};

use crate::frame::Picture;

/// Skips pictures that are the same, byte by byte, as the one before; at most so many in a row, so that a viewer sees that
/// time passes.
#[derive(Debug)]
pub struct Duplicates {
    most: u32,
    skipped: u32,
    last: Option<Picture>,
}

impl Duplicates {
    /// Skips at most so many in a row; none where it is 0.
    pub fn new(most: u32) -> Self {
        Self { most, skipped: 0, last: None }
    }

    /// Forgets the last one: whoever comes has not seen it.
    pub fn forget(&mut self) {
        (self.last, self.skipped) = (None, 0);
    }

    /// Whether a picture is to be skipped.
    pub fn skips(&mut self, picture: &Picture) -> bool {
        if self.most == 0 {
            return false;
        }
        if self.skipped < self.most && self.last.as_ref().is_some_and(|last| alike(last, picture)) {
            self.skipped += 1;
            return true;
        }
        self.skipped = 0;
        self.last = copied(picture, self.last.take());
        false
    }
}

fn alike(one: &Picture, other: &Picture) -> bool {
    match (one, other) {
        (Picture::Jpeg(one), Picture::Jpeg(other)) => one == other,
        (Picture::Pixels(one), Picture::Pixels(other)) => {
            let sized = one.rows() == other.rows() && one.cols() == other.cols();
            let bytes = one.data_bytes().ok().zip(other.data_bytes().ok());
            sized && bytes.is_some_and(|(one, other)| one == other)
        }
        _ => false,
    }
}

/// A copy, in the memory of an old one where that can be. `None` where it cannot be made: then nothing is skipped.
fn copied(picture: &Picture, old: Option<Picture>) -> Option<Picture> {
    match (picture, old) {
        (Picture::Jpeg(bytes), Some(Picture::Jpeg(mut old))) => {
            old.clone_from(bytes);
            Some(Picture::Jpeg(old))
        }
        (Picture::Jpeg(bytes), _) => Some(Picture::Jpeg(bytes.clone())),
        // None can be left out.
        (Picture::H264(_), _) => None,
        (Picture::Pixels(pixels), old) => {
            let mut copy = match old {
                Some(Picture::Pixels(old)) => old,
                _ => opencv::core::Mat::default(),
            };
            pixels.copy_to(&mut copy).ok().map(|()| Picture::Pixels(copy))
        }
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, Mat, Scalar};

    use super::*;

    fn grey(value: f64) -> Picture {
        let value = Scalar::all(value);
        Picture::Pixels(Mat::new_rows_cols_with_default(4, 6, CV_8UC3, value).unwrap())
    }

    fn shown(most: u32, pictures: &[Picture]) -> Vec<usize> {
        let mut same = Duplicates::new(most);
        let numbered = pictures.iter().enumerate();
        numbered.filter(|(_, picture)| !same.skips(picture)).map(|(number, _)| number).collect()
    }

    #[test]
    fn the_same_picture_is_skipped_so_often_and_no_oftener() {
        let still: Vec<Picture> = (0..8).map(|_| grey(90.0)).collect();
        assert_eq!(shown(3, &still), [0, 4]);
        assert_eq!(shown(0, &still), [0, 1, 2, 3, 4, 5, 6, 7]);
        let jpegs: Vec<Picture> = (0..3).map(|_| Picture::Jpeg(vec![1, 2, 3])).collect();
        assert_eq!(shown(3, &jpegs), [0]);
    }

    #[test]
    fn whoever_comes_sees_it_all_the_same() {
        let mut same = Duplicates::new(100);
        assert!(!same.skips(&grey(1.0)) && same.skips(&grey(1.0)));
        same.forget();
        assert!(!same.skips(&grey(1.0)) && same.skips(&grey(1.0)));
    }

    #[test]
    fn what_moves_is_never_skipped() {
        let moving: Vec<Picture> = (0..5).map(|n| grey(f64::from(n % 2))).collect();
        assert_eq!(shown(3, &moving), [0, 1, 2, 3, 4]);
        let forms = [grey(1.0), Picture::Jpeg(vec![1]), grey(1.0)];
        assert_eq!(shown(3, &forms), [0, 1, 2]);
    }
}
