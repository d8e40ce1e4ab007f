//! The secure score: overall, by cloud, by scope and by control.

use std::fmt::Display;
use std::io::{self, Write};

use yagura_model::Cloud;
use yagura_posture::ControlScore;

use super::Page;
use super::parts::{Align, Bar, Columns, Count, Outside, Percent, Points, points_share};
use crate::score_document::{ScopeDocument, ScoreDocument};

/// The two half circles of the gauge, from left to right over the top; the inner one shows the score with exemptions.
const OUTER: &str = "M20 120A100 100 0 0 1 220 120";
const INNER: &str = "M38 120A82 82 0 0 1 202 120";

impl<W: Write> Page<'_, W> {
    /// The overall score, the scores of clouds and those of scopes.
    pub(super) fn score(&mut self) -> io::Result<()> {
        self.open("score", self.text.score, self.text.score_lead)?;
        if self.data.score.overall.percentage.is_none() {
            writeln!(self.out, "<p class=\"notice\">{}</p>", self.text.no_score)?;
        }
        writeln!(self.out, "<div class=\"hero\">")?;
        self.gauge()?;
        self.figures()?;
        writeln!(self.out, "</div>")?;
        self.clouds()?;
        self.scopes()?;
        self.close()
    }

    fn gauge(&mut self) -> io::Result<()> {
        let overall = &self.data.score.overall;
        let raw = self.percent(overall.percentage);
        let adjusted = self.percent(overall.adjusted.percentage);
        writeln!(
            self.out,
            "<svg class=\"gauge\" role=\"img\" viewBox=\"0 0 240 150\" aria-labelledby=\"gauge-title gauge-desc\">\n\
             <title id=\"gauge-title\">{}</title>\n<desc id=\"gauge-desc\">{}</desc>",
            self.text.score,
            (self.text.gauge)(&raw.plain(), &adjusted.plain())
        )?;
        self.arc(OUTER, "raw", overall.percentage)?;
        self.arc(INNER, "adjusted", overall.adjusted.percentage)?;
        let size = if overall.percentage.is_some() { "value" } else { "value none" };
        writeln!(self.out, "<text class=\"{size}\" x=\"120\" y=\"112\">{}</text>", raw.plain())?;
        writeln!(self.out, "<text x=\"20\" y=\"142\">0%</text><text x=\"220\" y=\"142\">100%</text>\n</svg>")
    }

    fn arc(&mut self, path: &str, look: &str, share: Option<f64>) -> io::Result<()> {
        let track = if share.is_some() { "track" } else { "track empty" };
        writeln!(self.out, "<path class=\"{look} {track}\" d=\"{path}\"/>")?;
        let Some(share) = share else { return Ok(()) };
        let length = share.clamp(0.0, 1.0) * 100.0;
        writeln!(
            self.out,
            "<path class=\"{look}\" d=\"{path}\" pathLength=\"100\" stroke-dasharray=\"{length:.2} 200\"/>"
        )
    }

    fn figures(&mut self) -> io::Result<()> {
        let (data, text) = (self.data, self.text);
        let [_, unhealthy, unknown, _] = data.statuses;
        let all = data.statuses.iter().sum();
        let raw = self.percent(data.score.overall.percentage);
        let adjusted = self.percent(data.score.overall.adjusted.percentage);
        writeln!(self.out, "<dl class=\"figures\">")?;
        self.figure("raw", text.raw_score, raw, text.raw_score_note)?;
        self.figure("adjusted", text.with_exemptions, adjusted, (text.exempted)(data.exempted))?;
        self.figure("bad", text.unhealthy_assessments, Count(unhealthy), (text.of_assessments)(all))?;
        self.figure("unknown", text.unknown_assessments, Count(unknown), text.unknown_note)?;
        writeln!(self.out, "</dl>")
    }

    fn figure(&mut self, look: &str, name: &str, value: impl Display, note: impl Display) -> io::Result<()> {
        writeln!(
            self.out,
            "<div><dt><span class=\"key {look}\" aria-hidden=\"true\"></span>{name}</dt>\n\
             <dd>{value}</dd><dd class=\"note\">{note}</dd></div>"
        )
    }

    fn clouds(&mut self) -> io::Result<()> {
        let (score, text) = (self.data.score, self.text);
        if score.clouds.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "<h3>{}</h3>\n<ul class=\"cards\">", text.by_cloud)?;
        for own in &score.clouds {
            let scopes = score.scopes.iter().filter(|scope| scope.cloud == own.cloud).count() as u64;
            writeln!(self.out, "<li><p class=\"name\">{}</p>", own.cloud.title())?;
            writeln!(self.out, "<p class=\"big\">{}</p>{}", self.percent(own.percentage), Bar(own.percentage))?;
            let adjusted = self.percent(own.adjusted.percentage);
            writeln!(self.out, "<p class=\"note\">{}: {adjusted}</p>", text.with_exemptions)?;
            writeln!(self.out, "<p class=\"note\">{}</p></li>", (text.scopes_of)(own.cloud, scopes))?;
        }
        writeln!(self.out, "</ul>")
    }

    fn scopes(&mut self) -> io::Result<()> {
        let (data, text) = (self.data, self.text);
        writeln!(self.out, "<h3>{}</h3>", text.by_scope)?;
        if data.score.scopes.is_empty() {
            return writeln!(self.out, "<p>{}</p>", text.no_scopes);
        }
        self.folded(&data.score.scopes, Self::scope_table)
    }

    fn scope_table(&mut self, scopes: &[ScopeDocument]) -> io::Result<()> {
        let text = self.text;
        let columns = Columns(&[
            (text.scope, Align::Start),
            (text.cloud, Align::Short),
            (text.score_column, Align::End),
            (text.points, Align::End),
            (text.with_exemptions, Align::End),
            (text.worst_case, Align::End),
            (text.unknown_resources, Align::End),
            (text.inferred_share, Align::End),
        ]);
        columns.open(&mut self.out, text.by_scope)?;
        for own in scopes {
            let points = self.points(own.current.0, own.max);
            columns.row(
                &mut self.out,
                &[
                    &Outside(&own.scope),
                    &own.cloud.title(),
                    &format_args!("<b>{}</b>{}", Percent(own.percentage, text.not_available), Bar(own.percentage)),
                    &points,
                    &Percent(own.adjusted.percentage, text.not_available),
                    &Percent(own.worst_case_percentage, text.not_available),
                    &Count(own.unknown),
                    &Percent(own.inferred_share, text.not_available),
                ],
            )?;
        }
        columns.close(&mut self.out)
    }

    /// The controls, summed over all scopes and with each cloud's share.
    pub(super) fn controls(&mut self) -> io::Result<()> {
        let (data, text) = (self.data, self.text);
        self.open("controls", text.controls, text.controls_lead)?;
        let sums = ControlSum::all(data.score);
        if sums.is_empty() {
            writeln!(self.out, "<p>{}</p>", text.no_controls)?;
            return self.close();
        }
        let clouds: Vec<Cloud> = data.score.clouds.iter().map(|own| own.cloud).collect();
        // One cloud's own share would only repeat the sum.
        let clouds = if clouds.len() > 1 { clouds } else { Vec::new() };
        let mut names =
            vec![(text.control, Align::Start), (text.points, Align::End), (text.with_exemptions, Align::End)];
        names.extend(clouds.iter().map(|cloud| (cloud.title(), Align::End)));
        names.extend([(text.unhealthy_resources, Align::End), (text.unknown_resources, Align::End)]);
        let columns = Columns(&names);
        columns.open(&mut self.out, text.controls)?;
        for sum in &sums {
            self.control(&columns, &clouds, sum)?;
        }
        columns.close(&mut self.out)?;
        self.close()
    }

    fn control(&mut self, columns: &Columns<'_>, clouds: &[Cloud], sum: &ControlSum<'_>) -> io::Result<()> {
        let text = self.text;
        // Without a maximum there is no share: either the control carries no points, or nothing counts in it.
        let (without, elsewhere) =
            if sum.first.points == 0 { (text.no_points, "–") } else { (text.not_available, text.not_available) };
        let own = sum.first.titles.get(self.data.language);
        let name = match own.is_empty() {
            true => format!("<span lang=\"en\">{}</span>", Outside(&sum.first.title)),
            false => Outside(own).to_string(),
        };
        let shares: Vec<_> = clouds.iter().map(|cloud| Percent(sum.of(*cloud).share(), elsewhere)).collect();
        let reached = format!("{}{}", self.reached(sum.raw, without), Bar(sum.raw.share()));
        let adjusted = Percent(sum.adjusted.share(), elsewhere);
        let (unhealthy, unknown) = (Count(sum.unhealthy), Count(sum.unknown));
        let mut cells: Vec<&dyn Display> = vec![&name, &reached, &adjusted];
        cells.extend(shares.iter().map(|share| share as &dyn Display));
        cells.extend([&unhealthy as &dyn Display, &unknown]);
        columns.row(&mut self.out, &cells)
    }

    /// Points reached of points reachable; nothing reachable is no score and not a zero.
    fn points(&self, current: u64, max: u64) -> String {
        if max == 0 {
            return self.percent(None).to_string();
        }
        (self.text.of)(&Points(current).to_string(), &Count(max).to_string())
    }

    fn reached(&self, reached: Reached, without: &'static str) -> String {
        let share = Percent(reached.share(), without);
        if reached.max == 0 {
            return share.to_string();
        }
        let points = self.points(reached.current, reached.max);
        format!("<b>{points}</b> <span class=\"note\">({share})</span>")
    }

    pub(super) fn percent(&self, share: Option<f64>) -> Percent {
        Percent(share, self.text.not_available)
    }
}

/// Points reached (hundredths) and reachable.
#[derive(Clone, Copy, Default)]
struct Reached {
    current: u64,
    max: u64,
}

impl Reached {
    fn add(&mut self, current: u64, max: u64) {
        self.current += current;
        self.max += max;
    }

    fn share(self) -> Option<f64> {
        points_share(self.current, self.max)
    }
}

/// One control over all scopes.
struct ControlSum<'a> {
    first: &'a ControlScore,
    raw: Reached,
    adjusted: Reached,
    clouds: Vec<(Cloud, Reached)>,
    unhealthy: u64,
    unknown: u64,
}

impl<'a> ControlSum<'a> {
    fn all(score: &'a ScoreDocument) -> Vec<Self> {
        let mut sums: Vec<Self> = Vec::new();
        for scope in &score.scopes {
            for control in &scope.controls {
                let own = match sums.iter().position(|sum| sum.first.id == control.raw.id) {
                    Some(place) => &mut sums[place],
                    None => sums.push_mut(Self::new(&control.raw)),
                };
                own.adjusted.add(control.adjusted.current.0, control.adjusted.max);
                own.add(scope.cloud, &control.raw);
            }
        }
        sums
    }

    fn new(first: &'a ControlScore) -> Self {
        let none = Reached::default();
        Self { first, raw: none, adjusted: none, clouds: Vec::new(), unhealthy: 0, unknown: 0 }
    }

    fn add(&mut self, cloud: Cloud, control: &ControlScore) {
        self.raw.add(control.current.0, control.max);
        self.unhealthy += control.counts.unhealthy;
        self.unknown += control.counts.unknown;
        match self.clouds.iter_mut().find(|(own, _)| *own == cloud) {
            Some((_, reached)) => reached.add(control.current.0, control.max),
            None => self.clouds.push((cloud, Reached { current: control.current.0, max: control.max })),
        }
    }

    fn of(&self, cloud: Cloud) -> Reached {
        self.clouds.iter().find(|(own, _)| *own == cloud).map(|(_, reached)| *reached).unwrap_or_default()
    }
}
