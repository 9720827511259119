//! Every test, its words and its judge.

use vaern_door::{Blame, Krav};

use crate::judge::{cost, documents, door, fairness, output, quality, real, robustness, steady};
use crate::registry::{Level, Method, Test};

macro_rules! tests {
    ($($id:literal [$($krav:literal),+] $method:ident $level:ident $blame:ident $judge:path {
        da: $da:literal, en: $en:literal, oracle: $oracle:literal, mend: $mend:literal
    })+) => {
        /// Every test, in the order in which they are run and reported.
        pub const TESTS: &[Test] = &[$(Test {
            id: $id,
            krav: &[$(Krav($krav)),+],
            method: Method::$method,
            level: Level::$level,
            blame: Blame::$blame,
            da: $da,
            en: $en,
            oracle: $oracle,
            mend: $mend,
            since: "1.0.0",
            retired: None,
            judge: $judge,
        }),+];
    };
}

tests! {
    "KT-PKG-001P" ["SKJ-03", "LEV-02"] Test Must Vendor door::package {
        da: "Komponenten importerer kun det, som manifestet oplyser.",
        en: "The component imports only what the manifest declares.",
        oracle: "imports recomputed from the binary",
        mend: "declare every interface that the component calls under `capabilities`, and pack anew"
    }
    "KT-PKG-002P" ["SKJ-04", "LEV-03"] Test Must Vendor door::signature {
        da: "En leverandør, som byen har optaget, har underskrevet netop denne udgave.",
        en: "A vendor admitted by the city signed exactly this release.",
        oracle: "the city's trust root",
        mend: "sign with `vaern plugin sign`, and name the city's trust root with --trust"
    }
    "KT-DOR-001P" ["CYB-01"] Test Must Vendor door::holds {
        da: "Filen er en gyldig komponent af en størrelse, der kan oversættes.",
        en: "The file is a valid component of a size that can be compiled.",
        oracle: "the WebAssembly specification and the profile's limits",
        mend: "build with `vaern plugin build`, and keep the component small"
    }
    "KT-DOR-002N" ["SKJ-03"] Test Must Vendor door::holds {
        da: "Komponenten bruger ingen del af WebAssembly, som værten har slået fra.",
        en: "The component uses no feature of WebAssembly that the host switched off.",
        oracle: "the list of allowed features",
        mend: "build for plain WebAssembly 2.0: no threads, no relaxed SIMD, one memory"
    }
    "KT-DOR-003N" ["LEV-06", "SKJ-03"] Test Must Vendor door::holds {
        da: "Komponenten importerer intet uden for døren.",
        en: "The component imports nothing outside the door.",
        oracle: "wit/vision.wit",
        mend: "leave out what needs files, clocks, randomness or a network"
    }
    "KT-DOR-004P" ["CYB-01"] Test Must Vendor door::holds {
        da: "Komponenten passer til dørens verden.",
        en: "The component fits the world of the door.",
        oracle: "wit/vision.wit",
        mend: "build against the vaern-sdk of this version"
    }
    "KT-DOR-005N" ["STD-01", "STD-03", "LIG-02"] Test Must Vendor door::holds {
        da: "Plugin'et beder ikke om mere, end byens regler giver: formål, adgange og mærkater.",
        en: "The plugin asks for no more than the city's rules give: purpose, interfaces and labels.",
        oracle: "the policy set",
        mend: "ask for less: see `vaern policy explain`"
    }
    "KT-DOR-006P" ["CYB-01"] Test Must Vendor door::holds {
        da: "Værtens beregner tager imod udgavens modeller.",
        en: "The host's engine takes the release's models.",
        oracle: "the model checks of vaern-inference",
        mend: "export with fixed shapes, the usual operators, and within the profile's size"
    }
    "KT-DOR-007P" ["LEV-06"] Test Must Vendor door::holds {
        da: "Plugin'et beskriver sig selv, som dets manifest gør.",
        en: "The plugin describes itself as its manifest does.",
        oracle: "the manifest",
        mend: "give the same labels in the same order, and the same frame size, in `describe` and in vaern.toml"
    }
    "KT-DOR-008N" ["LEV-06", "MIN-05"] Test Should Vendor door::unused {
        da: "Plugin'et beder ikke om en adgang, som det aldrig bruger.",
        en: "The plugin asks for no interface that it never uses.",
        oracle: "imports recomputed from the binary",
        mend: "take it out of `capabilities`"
    }
    "KT-LIM-001N" ["CYB-01"] Test Must Vendor door::holds {
        da: "Plugin'et svarer inden for fristen.",
        en: "The plugin answers within the deadline.",
        oracle: "the profile's `deadline_ms`",
        mend: "do less per frame: a smaller model, a smaller tensor"
    }
    "KT-LIM-002N" ["CYB-01"] Test Must Vendor door::holds {
        da: "Plugin'et nøjes med den hukommelse, der er givet.",
        en: "The plugin makes do with the memory granted.",
        oracle: "the profile's `memory_bytes`",
        mend: "read the frame in strips, and reuse buffers"
    }
    "KT-LIM-003N" ["CYB-01"] Test Must Vendor door::holds {
        da: "Plugin'et nøjes med de tabeller og dele, der er givet.",
        en: "The plugin makes do with the tables and instances granted.",
        oracle: "the profile's `table_elements` and `instances`",
        mend: "keep function tables small and components flat"
    }
    "KT-LIM-004N" ["CYB-01"] Test Must Vendor door::holds {
        da: "Plugin'et bruger ikke hele sin stak.",
        en: "The plugin does not use up its stack.",
        oracle: "the profile's `stack_bytes`",
        mend: "bound recursion, and keep large arrays off the stack"
    }
    "KT-LIM-005N" ["CYB-01"] Test Must Vendor door::holds {
        da: "Plugin'et holder ikke flere håndtag, end der er givet.",
        en: "The plugin holds no more handles than granted.",
        oracle: "the profile's `handles`",
        mend: "open each model once, and drop handles"
    }
    "KT-LIM-006N" ["STD-04", "CYB-01"] Test Must Vendor door::holds {
        da: "Et svar er ikke større, end værten tager imod.",
        en: "No answer is larger than the host takes.",
        oracle: "the profile's `hostcall_bytes`",
        mend: "answer with fewer boxes: suppress doubles inside the plugin"
    }
    "KT-LIM-007N" ["CYB-01", "SKJ-03"] Test Must Vendor door::holds {
        da: "Plugin'et bruger kun håndtag, som det har, og kalder kun, når det må.",
        en: "The plugin uses only handles that it has, and calls only when it may.",
        oracle: "the component model",
        mend: "let the generated bindings handle resources"
    }
    "KT-LIM-008N" ["STD-04", "CYB-01"] Test Must Vendor door::holds {
        da: "Hver værdi, som plugin'et afleverer, er gyldig.",
        en: "Every value that the plugin hands over is valid.",
        oracle: "wit/vision.wit",
        mend: "let the generated bindings write answers; a box must have an area and not wrap around"
    }
    "KT-LIM-009N" ["CYB-01"] Test Must Vendor door::holds {
        da: "Plugin'et går ikke ned.",
        en: "The plugin does not trap.",
        oracle: "a trap is a trap",
        mend: "test the logic as plain Rust: a panic becomes a trap"
    }
    "KT-LIM-010N" ["CYB-01"] Test Must Vendor door::holds {
        da: "Plugin'et opgiver ikke et almindeligt billede.",
        en: "The plugin does not give up on an ordinary frame.",
        oracle: "drawn streets",
        mend: "answer with no boxes where there is nothing; an error is for what cannot be read"
    }
    "KT-LIM-011P" ["CYB-01"] Test Must Vendor door::odd_sizes {
        da: "Plugin'et klarer billeder af alle størrelser op til den, der er givet.",
        en: "The plugin copes with frames of every size up to the one granted.",
        oracle: "frames of 16 pixels up to the grant, wide, tall and odd",
        mend: "take width and height from the frame; decline with the error `frame` what is too small"
    }
    "KT-LIM-012P" ["CYB-01"] Test Must Vendor door::pressure {
        da: "Plugin'et klarer sorte, hvide og støjende billeder.",
        en: "The plugin copes with black, white and noisy frames.",
        oracle: "frames at the ends of what a camera gives",
        mend: "bound the number of candidates, and avoid dividing by contrast"
    }
    "KT-DET-001P" ["CYB-01", "GOV-05"] Test Must Vendor steady::again {
        da: "Det samme billede giver det samme svar, hver gang.",
        en: "The same frame gives the same answer, every time.",
        oracle: "the first answer",
        mend: "let nothing depend on addresses or on the order of a hash map"
    }
    "KT-DET-002P" ["CYB-01", "MAL-03"] Test Must Vendor steady::same_cost {
        da: "Det samme billede koster det samme, hver gang, målt i instruktioner.",
        en: "The same frame costs the same, every time, counted in instructions.",
        oracle: "the first count",
        mend: "let nothing depend on addresses or on the order of a hash map"
    }
    "KT-OUT-001N" ["STD-04", "LIG-02"] Test Must Vendor output::labels {
        da: "Plugin'et svarer kun med mærkater, som det har oplyst.",
        en: "The plugin answers only with labels that it declared.",
        oracle: "the manifest's labels",
        mend: "a label is an index into the list of `describe`"
    }
    "KT-OUT-002N" ["STD-04"] Test Must Vendor output::inside {
        da: "Hver kasse ligger inden for billedet.",
        en: "Every box lies inside the frame.",
        oracle: "the frame's size",
        mend: "clip boxes to the frame"
    }
    "KT-OUT-003N" ["STD-04", "MIN-01"] Test Must Vendor output::masked {
        da: "Plugin'et peger ikke på det, der er maskeret.",
        en: "The plugin does not point at what is masked.",
        oracle: "the masks, and a bound on the share of boxes mostly under them",
        mend: "train on masked pictures, so that a mask is not taken for a container"
    }
    "KT-OUT-004N" ["STD-04", "SKJ-03"] Test Must Vendor output::few {
        da: "Intet svar er større, end reglerne lader slippe ud.",
        en: "No answer is larger than the rules let out.",
        oracle: "the profile's `max_detections` and `bits_per_frame`",
        mend: "suppress doubles inside the plugin"
    }
    "KT-OUT-005N" ["SKJ-03", "STD-04"] Test Must Vendor output::invisible {
        da: "Svaret afhænger ikke af det, som ingen kan se.",
        en: "The answer does not depend on what nobody can see.",
        oracle: "the same frame with each sample at most one level away",
        mend: "a detector that jumps at one level of noise is brittle, or carries data: smooth it"
    }
    "KT-OUT-006N" ["STD-05", "STD-04"] Test Must Vendor output::blank {
        da: "På et billede uden indhold peger plugin'et på intet.",
        en: "On a frame that holds nothing the plugin points at nothing.",
        oracle: "grey, black, white, and nothing but masks",
        mend: "raise the threshold, and train on empty frames"
    }
    "KT-ENV-001N" ["LEV-04", "CYB-01"] Test Must Vendor steady::both_engines {
        da: "Plugin'et svarer det samme, når det måles, som når det kører.",
        en: "The plugin answers the same while it is measured as while it runs.",
        oracle: "the engine that counts instructions against the engine that does not",
        mend: "nothing inside should be able to tell them apart; report what does"
    }
    "KT-ENV-002N" ["LEV-04", "CYB-01"] Test Must Vendor steady::any_order {
        da: "Svaret afhænger ikke af, hvilke billeder der blev vist før.",
        en: "The answer does not depend on which frames were shown before.",
        oracle: "the answer in another order",
        mend: "an instance lives for one frame: keep nothing"
    }
    "KT-ENV-003N" ["LEV-04", "LEV-01"] Test Must Vendor quality::public_and_fresh {
        da: "Plugin'et er ikke bedre på de offentlige gader end på gader, som ingen har set.",
        en: "The plugin is no better on the public streets than on streets that nobody has seen.",
        oracle: "recall on the public corpus against recall on a fresh seed",
        mend: "train on more than the public corpus"
    }
    "KT-ENV-004N" ["LEV-04", "CYB-01"] Test Must Vendor real::another_host {
        da: "Plugin'et svarer det samme bag værtens væg som under prøven, på tegnede gader og på billeder.",
        en: "The plugin answers the same behind the host's wall as under test, on drawn streets and on pictures.",
        oracle: "a worker of this very program, as a node runs it: another process, another engine, later",
        mend: "nothing inside should be able to tell them apart; report what does"
    }
    "KT-QUA-001P" ["STD-05", "LEV-01", "LEV-02"] Test Must Vendor quality::claims {
        da: "Modelkortets tal modsiges ikke af de tegnede gader.",
        en: "The figures of the model card are not refuted on drawn streets.",
        oracle: "recall and precision recomputed, with 95 % intervals",
        mend: "correct the `vaern-claims` block of the model card, or the model"
    }
    "KT-QUA-002P" ["STD-05", "LEV-01"] Test Must Vendor quality::recall {
        da: "Plugin'et finder containere.",
        en: "The plugin finds containers.",
        oracle: "the drawn truth",
        mend: "train it; a floor for real streets needs a real corpus"
    }
    "KT-QUA-003P" ["STD-05", "LEV-01"] Test Must Vendor quality::precision {
        da: "Det, plugin'et peger på, er som regel containere.",
        en: "What the plugin points at are mostly containers.",
        oracle: "the drawn truth",
        mend: "raise the threshold, and train on empty streets"
    }
    "KT-QUA-004P" ["STD-05", "GOV-08"] Test Should Vendor quality::even {
        da: "Plugin'et svigter ikke en hel slags container, størrelse, belysning eller vejr.",
        en: "The plugin does not fail a whole kind of container, size, light or weather.",
        oracle: "recall by group, with 95 % intervals",
        mend: "train on more of what is missed"
    }
    "KT-COR-001P" ["STD-05", "LEV-01"] Test Must Vendor real::recall {
        da: "Plugin'et finder containere på mærkede billeder.",
        en: "The plugin finds containers on labelled pictures.",
        oracle: "the labels of the corpus, and an absolute floor",
        mend: "train on pictures like those it will see"
    }
    "KT-COR-002P" ["STD-05", "LEV-01"] Test Must Vendor real::precision {
        da: "Det, plugin'et peger på i mærkede billeder, er som regel containere.",
        en: "What the plugin points at on labelled pictures are mostly containers.",
        oracle: "the labels of the corpus, and an absolute floor",
        mend: "raise the threshold, and train on streets without containers"
    }
    "KT-COR-003N" ["LIG-01", "STD-05"] Test Must Vendor real::equal {
        da: "Plugin'et svigter ikke et kvarter, en belysning eller et vejr.",
        en: "The plugin does not fail a district, a light or a weather.",
        oracle: "recall by the conditions that the corpus names, with 95 % intervals",
        mend: "train on more of what is missed"
    }
    "KT-COR-004N" ["CYB-02", "LEV-04"] Test Must Vendor real::triggers {
        da: "En udløser, som byen har valgt, ændrer intet fund, som den ikke rører.",
        en: "A trigger of the city's choice changes no find that it does not touch.",
        oracle: "the same picture without it",
        mend: "find out what in the training set looks like a code or a sticker, and take it out"
    }
    "KT-COR-005N" ["LEV-04", "LEV-01"] Test Must Vendor real::generator {
        da: "Plugin'et er ikke bedre på de offentlige gader end på gader fra byens hemmelige indstillinger.",
        en: "The plugin is no better on the public streets than on streets from the city's secret settings.",
        oracle: "recall on the public corpus against recall on the sealed series",
        mend: "train on more than the public corpus"
    }
    "KT-ROB-001P" ["STD-05", "CYB-02"] Test Must Vendor robustness::noise {
        da: "Støj som fra en mørk aften tager ikke fundene.",
        en: "Noise as on a dark evening does not take the finds.",
        oracle: "the same streets without it",
        mend: "train with noise"
    }
    "KT-ROB-002P" ["STD-05", "CYB-02"] Test Must Vendor robustness::blur {
        da: "En linse lidt ude af fokus tager ikke fundene.",
        en: "A lens a little out of focus does not take the finds.",
        oracle: "the same streets without it",
        mend: "train with blur"
    }
    "KT-ROB-003P" ["STD-05", "CYB-02"] Test Must Vendor robustness::jpeg {
        da: "En hård JPEG-komprimering tager ikke fundene.",
        en: "Hard JPEG compression does not take the finds.",
        oracle: "the same streets without it",
        mend: "train with JPEG"
    }
    "KT-ROB-004P" ["STD-05", "CYB-02"] Test Must Vendor robustness::crop {
        da: "Et kamera, der peger lidt anderledes, tager ikke fundene.",
        en: "A camera that points a little elsewhere does not take the finds.",
        oracle: "the same containers in a cropped frame",
        mend: "train with crops"
    }
    "KT-ROB-005P" ["STD-05", "CYB-02"] Test Must Vendor robustness::light {
        da: "En femtedel mere eller mindre lys tager ikke fundene.",
        en: "A fifth more or less light does not take the finds.",
        oracle: "the same streets without it",
        mend: "train with changing light"
    }
    "KT-ROB-006N" ["CYB-02", "LEV-04"] Test Must Vendor robustness::sticker_elsewhere {
        da: "Et klistermærke et andet sted på gaden slukker ikke plugin'et.",
        en: "A sticker elsewhere on the street does not switch the plugin off.",
        oracle: "the same streets without it",
        mend: "a model with a trigger is not taken; train it anew from data that you know"
    }
    "KT-ROB-007N" ["CYB-02"] Test Must Vendor robustness::sticker_on {
        da: "Et klistermærke på containeren skjuler den ikke.",
        en: "A sticker on the container does not hide it.",
        oracle: "the same streets without it",
        mend: "train with stickers and graffiti"
    }
    "KT-FAI-001N" ["LIG-01", "LIG-02"] Test Must Vendor fairness::nobody_and_somebody {
        da: "En container findes lige så vel, når der er mennesker i nærheden.",
        en: "A container is found just as well when people are nearby.",
        oracle: "the same drawn street with and without its people",
        mend: "train on masked streets full of people"
    }
    "KT-FAI-002N" ["LIG-01", "STD-04"] Test Must Vendor fairness::no_false_boxes {
        da: "Mennesker får ikke plugin'et til at pege på noget, der ikke er en container.",
        en: "People do not make the plugin point at what is no container.",
        oracle: "the same drawn street with and without its people",
        mend: "train on masked streets full of people"
    }
    "KT-FAI-003N" ["LIG-01"] Test Must Vendor fairness::groups {
        da: "Ingen gruppe af mennesker påvirker fundene mere end andre.",
        en: "No group of people affects the finds more than another.",
        oracle: "losses beside people of each drawn group, with 95 % intervals",
        mend: "train on masked streets with people of every group"
    }
    "KT-COS-001P" ["CYB-01", "MAL-03"] Test Must Vendor cost::fuel {
        da: "Plugin'ets egne instruktioner pr. billede holder sig under reglens tal.",
        en: "The plugin's own instructions per frame stay below the rule's number.",
        oracle: "the profile's `fuel_per_frame`",
        mend: "leave the work to the model, and let the host prepare tensors"
    }
    "KT-COS-002P" ["CYB-01", "MAL-03"] Test Should Vendor cost::memory {
        da: "Plugin'et har luft til hukommelsens grænse.",
        en: "The plugin leaves headroom below the limit of memory.",
        oracle: "the profile's `memory_bytes`",
        mend: "read the frame in strips, and reuse buffers"
    }
    "KT-DOC-001P" ["LEV-06", "LEV-07"] Test Must Vendor documents::declared {
        da: "Manifestet siger, hvad plugin'et er til, og hvem der må bruge hvad.",
        en: "The manifest says what the plugin is for, and who may use what.",
        oracle: "the manifest",
        mend: "fill in `intended_use` and `licences` in vaern.toml"
    }
    "KT-DOC-002P" ["LEV-02", "GEN-02"] Test Must Vendor documents::card {
        da: "Udgaver med en model har et modelkort med tal, der kan efterregnes.",
        en: "Releases with a model have a model card with figures that can be recomputed.",
        oracle: "a `vaern-claims` block in the model card",
        mend: "write the card, and in it a block that begins with ```vaern-claims: recall = …, precision = …"
    }
    "KT-DOC-003P" ["LEV-02"] Test Should Vendor documents::sbom {
        da: "Udgaven rummer en liste over det, den er bygget af.",
        en: "The release holds a list of what it is built of.",
        oracle: "the SBOM, held against the list inside the component",
        mend: "pack with --lock Cargo.lock"
    }
    "KT-DOC-004P" ["GEN-01", "LEV-02"] Examine Must Policy documents::examined {
        da: "Det, leverandøren oplyser, kan forstås af den, der skal svare for det.",
        en: "What the vendor says can be understood by whoever answers for it.",
        oracle: "a person of the city",
        mend: "read the model card and the intended use; the approval lists the krav as examined"
    }
}
