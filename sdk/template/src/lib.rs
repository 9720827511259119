//! A plugin to begin with: it finds the largest stretch of strong green and calls it a container. Replace `detect`.
#![deny(missing_docs)]

use vaern_sdk::{Description, Detection, Frame, Plugin, PluginError, Region, Size, for_each_row};

/// Rows asked for at a time. A small strip is read into memory that is used again.
const STRIP: u16 = 16;

/// The plugin.
pub struct Example;

impl Plugin for Example {
    fn describe() -> Description {
        // The same labels in the same order as in vaern.toml.
        Description { labels: &["affaldscontainer"], frame: Size { width: 1280, height: 720 } }
    }

    fn detect<F: Frame>(frame: &F) -> Result<Vec<Detection>, PluginError> {
        let width = frame.size().width;
        let mut seen = Extent::default();
        for_each_row(frame, STRIP, |y, row| {
            for (x, pixel) in (0..width).zip(row.chunks_exact(3)) {
                if let [red, green, blue] = pixel
                    && *green > 80
                    && *green / 2 > (*red).max(*blue)
                {
                    seen.add(x, y);
                }
            }
        })?;
        Ok(seen.region().map(|region| Detection { label: 0, region, score: 128 }).into_iter().collect())
    }
}

/// The smallest rectangle around the pixels that were added.
#[derive(Default)]
struct Extent {
    corners: Option<(u16, u16, u16, u16)>,
    pixels: u32,
}

impl Extent {
    fn add(&mut self, x: u16, y: u16) {
        let (x0, y0, x1, y1) = self.corners.unwrap_or((x, y, x, y));
        self.corners = Some((x0.min(x), y0.min(y), x1.max(x), y1.max(y)));
        self.pixels += 1;
    }

    /// Nothing where the pixels are few or scattered: a rectangle that is mostly something else is no container.
    fn region(&self) -> Option<Region> {
        let (x0, y0, x1, y1) = self.corners?;
        let region = Region { x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 };
        let area = u32::from(region.width) * u32::from(region.height);
        (self.pixels >= 64 && self.pixels >= area / 2).then_some(region)
    }
}

vaern_sdk::export!(Example);
