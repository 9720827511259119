//! Colours of a Danish street, as linear triples of 0.0 to 1.0.

use crate::dice::Dice;

/// Red, green, blue, each 0.0 to 1.0.
pub(crate) type Rgb = [f32; 3];

/// A colour from its usual hexadecimal number.
pub(crate) const fn hex(n: u32) -> Rgb {
    [((n >> 16) & 255) as f32 / 255.0, ((n >> 8) & 255) as f32 / 255.0, (n & 255) as f32 / 255.0]
}

/// Lighter (`k` > 1) or darker.
pub(crate) fn mul(c: Rgb, k: f32) -> Rgb {
    c.map(|v| (v * k).clamp(0.0, 1.0))
}

/// Channel by channel product.
pub(crate) fn tint(c: Rgb, by: Rgb) -> Rgb {
    [c[0] * by[0], c[1] * by[1], c[2] * by[2]].map(|v| v.clamp(0.0, 1.0))
}

/// `t` = 0 gives `a`, `t` = 1 gives `b`.
pub(crate) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// Hue 0..6, saturation and value 0..1.
pub(crate) fn hsv(h: f32, s: f32, v: f32) -> Rgb {
    let h = h - 6.0 * (h / 6.0).floor();
    let f = |n: f32| {
        let k = n + h;
        let k = k - 6.0 * (k / 6.0).floor();
        v - v * s * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [f(5.0), f(3.0), f(1.0)]
}

/// A little off the given colour, so that no two things are the same.
pub(crate) fn jitter(d: &mut Dice, c: Rgb, by: f32) -> Rgb {
    let k = 1.0 + d.range(-by, by);
    [c[0] * k + d.range(-by, by) * 0.3, c[1] * k + d.range(-by, by) * 0.3, c[2] * k + d.range(-by, by) * 0.3]
        .map(|v| v.clamp(0.01, 1.0))
}

/// Plaster and brick of the inner city.
pub(crate) fn facade(d: &mut Dice) -> Rgb {
    let base = d.pick([
        hex(0xC9A050),
        hex(0xD8B56A),
        hex(0xBF8F3F),
        hex(0x9C4F38),
        hex(0xA8593F),
        hex(0x7F4032),
        hex(0xB9B4A8),
        hex(0x8E8B86),
        hex(0xD9D3C4),
        hex(0xE2DCCB),
        hex(0xB06A4A),
        hex(0x7E8C92),
        hex(0xC77F5B),
        hex(0xA89878),
        hex(0xB24A3A),
        hex(0x6E7F78),
        hex(0xD4A373),
    ]);
    jitter(d, base, 0.1)
}

/// Clothes: much black, blue and grey as in Copenhagen, some of everything.
pub(crate) fn cloth(d: &mut Dice) -> Rgb {
    if d.chance(0.5) {
        let base = d.pick([
            hex(0x1B1C20),
            hex(0x24262C),
            hex(0x2C3448),
            hex(0x3B4252),
            hex(0x5A5E66),
            hex(0x8B8D90),
            hex(0xC9C6BE),
            hex(0xE8E6E0),
            hex(0x4A3B2F),
            hex(0x7A6A52),
            hex(0x4B5540),
            hex(0x33475B),
        ]);
        jitter(d, base, 0.15)
    } else {
        let (h, s, v) = (d.range(0.0, 6.0), d.range(0.15, 0.9), d.range(0.2, 0.95));
        hsv(h, s, v)
    }
}

/// Car paint.
pub(crate) fn paint(d: &mut Dice) -> Rgb {
    if d.chance(0.7) {
        let base = d.pick([
            hex(0xE8E9EA),
            hex(0xB9BCC0),
            hex(0x7C8086),
            hex(0x3A3D42),
            hex(0x17181B),
            hex(0x1E2F52),
            hex(0x8A1B1E),
            hex(0x244A7A),
            hex(0x5C6670),
        ]);
        jitter(d, base, 0.1)
    } else {
        let (h, s, v) = (d.range(0.0, 6.0), d.range(0.3, 0.85), d.range(0.3, 0.9));
        hsv(h, s, v)
    }
}
