//! What several runs of each pair have in common.

use std::collections::BTreeMap;
use std::fmt;

use hobnob_tests::lab::Experience;

/// One line per pair.
#[derive(Debug)]
pub(crate) struct Summary<'a>(pub(crate) &'a [Experience]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs: BTreeMap<&[String; 2], Vec<&Experience>> = BTreeMap::new();
        for experience in self.0 {
            pairs.entry(&experience.pair).or_default().push(experience);
        }
        for ([one, other], runs) in pairs {
            let mut direct: Vec<u64> = runs.iter().filter_map(|run| run.direct_ms).collect();
            direct.sort_unstable();
            let (median, most) = (direct.get(direct.len() / 2), direct.last());
            let ms = |ms: Option<&u64>| ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
            let (count, all) = (direct.len(), runs.len());
            writeln!(f, "{one}:{other}: {count} of {all} direct, median {}, most {}", ms(median), ms(most))?;
        }
        Ok(())
    }
}
