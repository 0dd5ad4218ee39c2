use proptest::prelude::*;

use super::*;
use crate::leakage::Leakage;

/// Subjects with one to four sessions each, as (site, diagnosis) and sessions.
fn cohort(people: &[(u8, u8, u8)]) -> Manifest {
    let visits = people.iter().enumerate().flat_map(|(i, &(site, diagnosis, sessions))| {
        (0..=sessions).map(move |session| Visit {
            subject: format!("sub-{i:03}"),
            session: Some(format!("ses-{session}")),
            // A subject may move and fall ill; what counts is the first session.
            site: (site < 5).then(|| format!("site{}", site + session / 3)),
            diagnosis: Some(format!("dx{}", diagnosis + session / 2)),
            ..Visit::default()
        })
    });
    Manifest::new("", visits.collect())
}

fn fractions(parts: &[f64]) -> Vec<Fraction> {
    let name = |i: usize| format!("part{i}");
    parts.iter().enumerate().map(|(i, &fraction)| Fraction { name: name(i), fraction }).collect()
}

fn people() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    proptest::collection::vec((0..6_u8, 0..3_u8, 0..4_u8), 1..60)
}

fn splits() -> impl Strategy<Value = Vec<Fraction>> {
    let parts = [vec![0.8, 0.2], vec![0.7, 0.15, 0.15], vec![0.5, 0.3, 0.1, 0.1], vec![1.0]];
    proptest::sample::select(parts.map(|parts| fractions(&parts)).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn longitudinal_cohorts_never_leak_and_meet_their_quotas(
        people in people(), fractions in splits(), stratify in any::<[bool; 2]>(), seed: u64,
    ) {
        let mut manifest = cohort(&people);
        let wanted = [Stratum::Site, Stratum::Diagnosis].into_iter().zip(stratify);
        let stratify_by: Vec<Stratum> = wanted.filter(|(_, on)| *on).map(|(s, _)| s).collect();
        let config = SplitConfig { fractions, stratify_by, keep_assigned: true, seed };
        let splitter = Splitter::new(&config).unwrap();
        let counts = splitter.assign(&mut manifest).unwrap();
        prop_assert!(Leakage::of_subjects(&manifest).is_clean());
        let n = config.fractions.len();
        let bound = if n > 1 { 1.0 - 1.0 / (2 * n - 2) as f64 } else { 0.0 };
        for part in &config.fractions {
            let off = counts[&part.name] as f64 - part.fraction * people.len() as f64;
            prop_assert!(off.abs() <= bound + 1e-6, "{counts:?}");
        }
        // In every stratum too.
        let mut strata = BTreeMap::<_, Vec<Option<String>>>::new();
        for rows in manifest.subjects().values() {
            let split = manifest.visits[rows[0]].split.clone();
            strata.entry(splitter.stratum(rows, &manifest)).or_default().push(split);
        }
        for members in strata.values() {
            for part in &config.fractions {
                let has = members.iter().filter(|s| s.as_ref() == Some(&part.name)).count();
                let off = has as f64 - part.fraction * members.len() as f64;
                prop_assert!(off.abs() <= 2.0 * bound + 1e-6);
            }
        }
        // The order of rows is no matter.
        let mut turned = cohort(&people);
        turned.visits.reverse();
        splitter.assign(&mut turned).unwrap();
        turned.visits.reverse();
        prop_assert_eq!(&turned, &manifest);
    }
}

#[test]
fn subjects_that_are_assigned_stay_when_others_join() {
    let people: Vec<(u8, u8, u8)> = (0..90).map(|i| (i % 3, i % 2, i % 4)).collect();
    let mut manifest = cohort(&people[..40]);
    let splitter = Splitter::new(&SplitConfig::default()).unwrap();
    splitter.assign(&mut manifest).unwrap();
    let before = manifest.visits.clone();
    let known = before.len();
    manifest.visits.extend(cohort(&people).visits.into_iter().skip(known));
    let counts = splitter.assign(&mut manifest).unwrap();
    assert_eq!(manifest.visits[..known], before);
    assert_eq!((counts["train"], counts["test"]), (72, 18));
}

#[test]
fn the_seed_decides_and_small_strata_do_not_all_go_to_training() {
    let alone: Vec<(u8, u8, u8)> = (0..50).map(|_| (0, 0, 0)).collect();
    let mut manifest = cohort(&alone);
    // Each subject a site of its own: rounding each stratum by itself would train on all.
    for (i, visit) in manifest.visits.iter_mut().enumerate() {
        visit.site = Some(format!("site{i}"));
    }
    let by_seed = |seed| {
        let stratify_by = vec![Stratum::Site];
        let config = SplitConfig { stratify_by, seed, ..SplitConfig::default() };
        let mut manifest = manifest.clone();
        let counts = Splitter::new(&config).unwrap().assign(&mut manifest).unwrap();
        assert_eq!(counts["test"], 10);
        manifest
    };
    assert_eq!(by_seed(1), by_seed(1));
    let unstratified = |seed| {
        let config = SplitConfig { seed, ..SplitConfig::default() };
        let mut manifest = manifest.clone();
        Splitter::new(&config).unwrap().assign(&mut manifest).unwrap();
        manifest
    };
    assert_ne!(unstratified(1), unstratified(2));
}

#[test]
fn refused_fractions_and_kept_splits_say_why() {
    for (parts, why) in [
        (vec![("a", 0.5), ("a", 0.5)], "\"a\""),
        (vec![("", 1.0)], "\"\""),
        (vec![("n/a", 1.0)], "n/a"),
        (vec![("a", 1.5), ("b", -0.5)], "b=-0.5"),
        (vec![("a", f64::NAN)], "NaN"),
        (vec![("a", 0.5), ("b", 0.4)], "0.9"),
        (vec![], "sum of"),
    ] {
        let part = |(name, fraction): (&str, f64)| Fraction { name: name.into(), fraction };
        let fractions = parts.into_iter().map(part).collect();
        let error = Splitter::new(&SplitConfig { fractions, ..Default::default() }).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!("val = 0.25".parse::<Fraction>().unwrap().fraction, 0.25);
    assert!("val".parse::<Fraction>().is_err());
    assert_eq!("site".parse::<Stratum>().unwrap(), Stratum::Site);
    assert!("age".parse::<Stratum>().unwrap_err().to_string().contains("\"age\""));
    let splitter = Splitter::new(&SplitConfig::default()).unwrap();
    let mut manifest = cohort(&[(0, 0, 1)]);
    manifest.visits[0].split = Some("dev".into());
    assert!(splitter.assign(&mut manifest).unwrap_err().to_string().contains("\"dev\""));
    manifest.visits[0].split = Some("train".into());
    manifest.visits[1].split = Some("test".into());
    assert!(matches!(splitter.assign(&mut manifest), Err(Error::SubjectInSplits { .. })));
    let anew = SplitConfig { keep_assigned: false, ..SplitConfig::default() };
    assert!(Splitter::new(&anew).unwrap().assign(&mut manifest).is_ok());
}
