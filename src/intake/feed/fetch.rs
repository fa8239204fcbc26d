//! From a feed to its whole list: one answer, all pages of a collection, or a manifest with its events.

use std::collections::BTreeMap;

use hyper::header::HeaderName;
use serde_json::Value;
use url::Url;

use super::collection::{Envelope, merged, objects_of, path};
use super::config::Feed;
use super::content::{text as as_text, too_large, unpacked};
use super::download::{Downloader, Question, Sent, text, validators};
use super::kept::{Kept, Remembered, Validators};
use super::misp_feed;
use crate::detect::misp;
use crate::limits::FEED_PAGES_MAX;
use crate::retry::OutsideError;

const ANY: &str = "*/*";
const TAXII: &str = "application/taxii+json;version=2.1";
const ADDED_LAST: HeaderName = HeaderName::from_static("x-taxii-date-added-last");

/// What a fetch came to.
pub enum Fetched {
    Unchanged,
    New {
        list: Vec<u8>,
        validators: Validators,
        added_after: Option<String>,
        /// What is missing of it.
        remark: Option<String>,
    },
}

/// # Errors
/// There is no whole list.
pub async fn fetch(feed: &Feed, kept: &Kept, before: &Remembered) -> Result<Fetched, OutsideError> {
    let mut downloader = Downloader::new(feed)?;
    let unusable =
        |downloader: &Downloader<'_>| downloader.wrong("url", "it is no URL", "correct the url of this feed");
    let url: Url = feed.url.parse().map_err(|_| unusable(&downloader))?;
    if let Some(collection) = &feed.collection {
        let objects = url.join(&path(url.path(), collection)).map_err(|_| unusable(&downloader))?;
        return pages(&mut downloader, feed, objects, kept, before).await;
    }
    let question = Question { url: &url, accept: ANY, validators: Some(&before.validators) };
    match downloader.get(question).await? {
        None => Ok(Fetched::Unchanged),
        Some(Sent { body, headers, url }) => {
            let list = plain(&downloader, feed, body.into())?;
            let validators = validators(&headers);
            let manifest = as_text(&list).ok().and_then(|text| Some((misp::manifest(&text)?, text)));
            let Some((events, manifest)) = manifest else {
                return Ok(Fetched::New { list, validators, added_after: None, remark: None });
            };
            let events = events.map_err(|cause| downloader.wrong("too_large", &cause, "take a smaller feed"))?;
            let (list, missing) = gather(&mut downloader, feed, &url, (events, &manifest), kept).await?;
            // What is missing is asked for again.
            let validators = if missing.is_none() { validators } else { Validators::default() };
            Ok(Fetched::New { list, validators, added_after: None, remark: missing })
        }
    }
}

fn plain(downloader: &Downloader<'_>, feed: &Feed, bytes: Vec<u8>) -> Result<Vec<u8>, OutsideError> {
    let remedy = "what was there before stays in use";
    unpacked(bytes, feed.max_size.get()).map_err(|cause| downloader.wrong("damaged", &cause, remedy))
}

/// What was added to a collection since `before`, with what there was.
async fn pages(
    downloader: &mut Downloader<'_>,
    feed: &Feed,
    objects: Url,
    kept: &Kept,
    before: &Remembered,
) -> Result<Fetched, OutsideError> {
    let mut added_after = before.added_after.clone();
    let (mut next, mut new, mut bytes) = (None::<String>, Vec::<Value>::new(), 0_u64);
    for _ in 0..FEED_PAGES_MAX {
        let mut url = objects.clone();
        let from = if next.is_some() { &before.added_after } else { &added_after };
        for (name, value) in [("added_after", from), ("next", &next)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let question = Question { url: &url, accept: TAXII, validators: None };
        let Some(Sent { body, headers, .. }) = downloader.get(question).await? else { break };
        let page = plain(downloader, feed, body.into())?;
        bytes = bytes.saturating_add(page.len() as u64);
        if bytes > feed.max_size.get() {
            let remedy = "raise max_size if that is meant";
            return Err(downloader.wrong("too_large", &too_large(feed.max_size.get()), remedy));
        }
        let page = Envelope::read(&page);
        let page = page.map_err(|cause| downloader.wrong("type", &cause, "is the url that of an API root?"))?;
        let last = text(&headers, &ADDED_LAST);
        let is_going_on = page.more && (page.next.is_some() || (last.is_some() && last != added_after));
        added_after = last.or(added_after);
        new.extend(page.objects);
        next = page.next;
        if !is_going_on {
            if new.is_empty() && before.added_after.is_some() {
                return Ok(Fetched::Unchanged);
            }
            let old = before.added_after.as_ref().and_then(|_| kept.list().ok()).unwrap_or_default();
            let list = merged(objects_of(&old).into_iter().chain(new));
            return Ok(Fetched::New { list, validators: Validators::default(), added_after, remark: None });
        }
    }
    let endless = format!("the collection has more than {FEED_PAGES_MAX} pages");
    Err(downloader.wrong("endless", &endless, "does the server page rightly?"))
}

/// The events that a manifest names, as one list, and what is missing of it. Those that were kept and are current are not asked for.
async fn gather(
    downloader: &mut Downloader<'_>,
    feed: &Feed,
    manifest: &Url,
    (files, text): (Vec<String>, &str),
    kept: &Kept,
) -> Result<(Vec<u8>, Option<String>), OutsideError> {
    let timestamps = misp_feed::timestamps(text);
    let mut before = misp_feed::events_of(&kept.list().unwrap_or_default());
    let (mut events, mut missing, mut bytes) = (BTreeMap::new(), Vec::new(), 0_u64);
    for file in &files {
        let old = before.remove(file);
        let is_current = |event: &Value| timestamps.get(file).is_some_and(|time| misp_feed::is_current(event, time));
        if let Some(old) = old.as_ref().filter(|old| is_current(old)) {
            events.insert(file.clone(), old.clone());
            continue;
        }
        match event(downloader, feed, manifest, file, &mut bytes).await {
            Ok(event) => drop(events.insert(file.clone(), event)),
            // With the server out of reach the others would come no better.
            Err(error) if ["silent", "unreachable", "tls", "name", "too_large"].contains(&error.kind) => {
                return Err(error);
            }
            Err(error) => {
                missing.push(error.text);
                events.extend(old.map(|old| (file.clone(), old)));
            }
        }
    }
    let list = misp_feed::kept(events);
    if list.len() as u64 > feed.max_size.get() {
        let remedy = "raise max_size if that is meant";
        return Err(downloader.wrong("too_large", &too_large(feed.max_size.get()), remedy));
    }
    let remark = missing
        .first()
        .map(|first| format!("{} of {} events are missing, the first: {first}", missing.len(), files.len()));
    Ok((list, remark))
}

async fn event(
    downloader: &mut Downloader<'_>,
    feed: &Feed,
    manifest: &Url,
    file: &str,
    bytes: &mut u64,
) -> Result<Value, OutsideError> {
    let not_there = |downloader: &Downloader<'_>, cause: &str| downloader.wrong("event", cause, "the others are used");
    let url = manifest.join(file).map_err(|_| not_there(downloader, &format!("{file} is no name of a file")))?;
    let question = Question { url: &url, accept: ANY, validators: None };
    let Some(Sent { body, .. }) = downloader.get(question).await? else {
        return Err(not_there(downloader, &format!("{file} was not sent")));
    };
    let content = plain(downloader, feed, body.into())?;
    *bytes = bytes.saturating_add(content.len() as u64);
    if *bytes > feed.max_size.get() {
        let remedy = "raise max_size if that is meant";
        return Err(downloader.wrong("too_large", &too_large(feed.max_size.get()), remedy));
    }
    misp_feed::event(file, &content).map_err(|cause| not_there(downloader, &cause))
}
