//! Figures of a model card that a program can recompute: a fenced block in its Markdown.
//!
//! ````text
//! ```vaern-claims
//! recall = 0.85
//! precision = 0.85
//! ```
//! ````

use serde::Deserialize;

/// The longest block that is read.
const MAX_BLOCK: usize = 4096;

/// What a vendor claims on drawn streets: at least so much.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    /// Share of the containers that are found.
    pub(crate) recall: f64,
    /// Share of the boxes that are on containers.
    pub(crate) precision: f64,
}

impl Claims {
    /// The claims of a card, if it holds any.
    ///
    /// # Errors
    /// What is wrong with them: two blocks, an unknown field, a number that is no share.
    pub(crate) fn read(card: &str) -> Result<Option<Self>, String> {
        let mut blocks = Vec::new();
        let mut lines = card.lines();
        while let Some(line) = lines.next() {
            if line.trim() == "```vaern-claims" {
                let inside: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
                blocks.push(inside.join("\n"));
            }
        }
        let block = match blocks.as_slice() {
            [] => return Ok(None),
            [block] if block.len() <= MAX_BLOCK => block,
            _ => return Err("the card holds more than one short block of claims".to_owned()),
        };
        let claims: Self = toml::from_str(block).map_err(|error| error.message().replace(['\n', '\r'], " "))?;
        let fits = |share: f64| (0.0..=1.0).contains(&share);
        if fits(claims.recall) && fits(claims.precision) {
            Ok(Some(claims))
        } else {
            Err("a claim is a share between 0 and 1".to_owned())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests state what they expect")]
mod tests {
    use super::*;

    #[test]
    fn lev_01p_a_block_is_read_and_what_is_no_block_is_none() {
        let card = "# card\n\n```vaern-claims\nrecall = 0.9\nprecision = 0.8\n```\nmore";
        assert_eq!(Claims::read(card).unwrap(), Some(Claims { recall: 0.9, precision: 0.8 }));
        assert_eq!(Claims::read("# card\nrecall = 0.9").unwrap(), None);
    }

    #[test]
    fn lev_01n_claims_that_cannot_be_judged_are_refused() {
        for inside in [
            "recall = 1.1\nprecision = 0.8",
            "recall = nan\nprecision = 0.8",
            "recall = 0.8",
            "recall = 0.8\nprecision = 0.8\nspeed = 1",
            "recall = 0.8\nprecision = 0.8\n```\n```vaern-claims\nrecall = 0.1\nprecision = 0.1",
        ] {
            assert!(Claims::read(&format!("```vaern-claims\n{inside}\n```")).is_err(), "{inside}");
        }
    }
}
