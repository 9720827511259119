//! Letters and digits as a few strokes: for plates, signs and shop fronts.

use crate::camera::P2;

/// Strokes of a character in a box 2 wide and 4 high, origin at the upper left.
fn strokes(ch: char) -> &'static str {
    match ch {
        '0' | 'O' => "0020",
        '1' => "0120 2024",
        '2' => "0020 2022 2202 0204 0424",
        '3' => "0020 2024 2404 0222",
        '4' => "0002 0222 2024",
        '5' | 'S' => "2000 0002 0222 2224 2404",
        '6' => "2000 0004 0424 2422 2202",
        '7' => "0020 2014",
        '8' => "0020 2024 2404 0400 0222",
        '9' => "2202 0200 0020 2024 2404",
        'A' => "0410 1024 0323",
        'B' => "0020 2024 2404 0400 0222",
        'C' => "2000 0004 0424",
        'D' => "0010 1021 2123 2314 1404 0400",
        'E' => "2000 0004 0424 0212",
        'F' => "0004 0020 0212",
        'G' => "2000 0004 0424 2422 2212",
        'H' => "0004 2024 0222",
        'I' => "1014",
        'J' => "2024 2404 0403",
        'K' => "0004 0220 0224",
        'L' => "0004 0424",
        'M' => "0400 0012 1220 2024",
        'N' => "0400 0024 2420",
        'P' => "0400 0020 2022 2202",
        'R' => "0400 0020 2022 2202 0224",
        'T' => "0020 1014",
        'U' => "0004 0424 2420",
        'V' => "0014 1420",
        'W' => "0004 0412 1224 2420",
        'X' => "0024 2004",
        'Y' => "0012 2012 1214",
        'Z' => "0020 2004 0424",
        _ => "",
    }
}

/// Line segments of a text in a box from (0,0) to (1,1).
pub(crate) fn lines(text: &str) -> Vec<(P2, P2)> {
    let count = text.chars().count().max(1) as f32;
    let pitch = 1.0 / count;
    let mut out = Vec::new();
    for (i, ch) in text.chars().enumerate() {
        let digits: Vec<f32> = strokes(ch).chars().filter_map(|d| d.to_digit(10)).map(|d| d as f32).collect();
        let place = |x: f32, y: f32| (pitch * (i as f32 + 0.16 + 0.34 * x.min(2.0)), y / 4.0);
        for s in digits.chunks_exact(4) {
            if let [a, b, c, d] = *s {
                out.push((place(a, b), place(c, d)));
            }
        }
        if matches!(ch, '0' | 'O') {
            out.push((place(0.0, 4.0), place(0.0, 0.0)));
            out.push((place(2.0, 4.0), place(0.0, 4.0)));
            out.push((place(2.0, 0.0), place(2.0, 4.0)));
        }
    }
    out
}
