//! The SDK maps boxes back with the very integers that the host placed the picture with.
#![allow(clippy::unwrap_used, reason = "tests state what they expect")]

use vaern_sdk::{Channels, Fit, Scale, Size, TensorSpec};

fn both(fit: (Fit, vaern_door::Fit), tensor: (u16, u16), frame: (u16, u16)) {
    let ours = TensorSpec {
        size: Size { width: tensor.0, height: tensor.1 },
        fit: fit.0,
        scale: Scale::ZeroToOne,
        channels: Channels::Rgb,
    }
    .placement(Size { width: frame.0, height: frame.1 });
    let theirs = vaern_door::TensorSpec {
        size: vaern_door::Size::new(tensor.0, tensor.1).unwrap(),
        fit: fit.1,
        scale: vaern_door::Scale::ZeroToOne,
        channels: vaern_door::Channels::Rgb,
    }
    .placement(vaern_door::Size::new(frame.0, frame.1).unwrap());
    assert_eq!(
        (ours.x, ours.y, ours.size.width, ours.size.height),
        (theirs.x, theirs.y, theirs.size.width(), theirs.size.height()),
        "{fit:?} {tensor:?} {frame:?}"
    );
}

#[test]
fn placement_is_the_same_on_both_sides_of_the_door() {
    let fits = [
        (Fit::Stretch, vaern_door::Fit::Stretch),
        (Fit::LetterboxTopLeft, vaern_door::Fit::LetterboxTopLeft),
        (Fit::LetterboxCentre, vaern_door::Fit::LetterboxCentre),
    ];
    let edges = [1, 2, 3, 114, 383, 384, 385, 640, 641, 719, 720, 1080, 1279, 1280, 1920, 4000, 32_767, 65_534, 65_535];
    for fit in fits {
        for tensor in [(640, 384), (384, 640), (416, 416), (1, 1), (1, 65_535), (65_535, 3)] {
            for width in edges {
                for height in edges {
                    both(fit, tensor, (width, height));
                }
            }
        }
        // A walk over sizes nobody chose.
        let mut state = 0x9E37_79B9_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u16::try_from(state >> 16).unwrap().max(1)
        };
        for _ in 0..20_000 {
            both(fit, (next(), next()), (next(), next()));
        }
    }
}
