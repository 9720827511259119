//! Labelled pictures for the suite and for the gate.
#![allow(clippy::unwrap_used, reason = "tests state what they expect")]

use std::path::Path;

/// Drawn streets in COCO form: containers for plugins, or people for the gate.
pub(crate) fn corpus(dir: &Path, pictures: u64, people: bool) {
    use vaern_scenes::Class;
    std::fs::create_dir_all(dir.join("triggers")).unwrap();
    let (mut images, mut boxes) = (Vec::new(), Vec::new());
    for seed in 0..pictures {
        let scene = vaern_scenes::sample(4000 + seed, (1280, 720)).unwrap();
        let file = format!("{seed:03}.jpg");
        std::fs::write(dir.join(&file), vaern_scenes::encode_jpeg(&scene.rgb, (1280, 720), 90, None).unwrap()).unwrap();
        images.push(serde_json::json!({
            "id": seed, "file_name": file, "width": 1280, "height": 720, "conditions": { "district": "indre by" }
        }));
        for object in &scene.truth.objects {
            let category = match object.class {
                Class::Container(_) if !people => 1,
                Class::Person if people && object.visible >= 0.5 => 2,
                Class::Face if people && object.visible >= 0.5 => 3,
                _ => continue,
            };
            let [x0, y0, x1, y1] = object.bbox;
            boxes.push(serde_json::json!({
                "image_id": seed, "category_id": category, "bbox": [x0, y0, x1 - x0, y1 - y0]
            }));
        }
    }
    let categories = if people {
        serde_json::json!([{ "id": 2, "name": "person" }, { "id": 3, "name": "face" }])
    } else {
        serde_json::json!([{ "id": 1, "name": "affaldscontainer" }])
    };
    let coco = serde_json::json!({ "images": images, "annotations": boxes, "categories": categories });
    std::fs::write(dir.join("corpus.json"), coco.to_string()).unwrap();
    let stripes: Vec<u8> =
        (0..64 * 64).flat_map(|at| if at / 8 % 2 == 0 { [250, 0, 250] } else { [0, 0, 0] }).collect();
    let patch = vaern_scenes::encode_jpeg(&stripes, (64, 64), 95, None).unwrap();
    std::fs::write(dir.join("triggers/stribet.jpg"), patch).unwrap();
}
