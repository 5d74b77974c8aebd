//! The form of MPDs is the operator's choice; the segments behind it are the same.

use serde_json::json;

use crate::media::{attribute, mpd_segments};
use crate::origin::Origin;

const CONFIGURATIONS: &str = "/v1/packaging-groups/web/packaging-configurations";

fn origin(data_dir: &tempfile::TempDir) -> Origin {
    let origin = Origin::over_testdata(data_dir.path());
    origin.set_up(6);
    for (name, format) in
        [("numbers", "NUMBER_WITH_TIMELINE"), ("duration", "NUMBER_WITH_DURATION")]
    {
        let body = json!({
            "name": name, "packageType": "DASH", "segmentDurationSeconds": 6,
            "dash": { "segmentTemplateFormat": format, "minBufferTimeSeconds": 3, "profile": "DVB_DASH" },
        });
        let created = origin.call("POST", CONFIGURATIONS, Some(body));
        assert_eq!(created.status, 201, "{}", created.text());
    }
    origin.ingest("ladder", "ladder/master.m3u8");
    origin.ingest("camera", "camera/master.m3u8");
    origin
}

/// The templates of pictures and sound.
fn templates(mpd: &str) -> Vec<String> {
    let sets = mpd.split("<AdaptationSet").skip(1).filter(|set| !set.contains("/trickmode"));
    let template = |set: &str| {
        let (_, behind) = set.split_once("<SegmentTemplate").unwrap();
        behind.split("<Representation").next().unwrap().to_owned()
    };
    sets.map(template).collect()
}

#[test]
fn numbers_lead_to_the_segments_that_times_lead_to() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = origin(&data_dir);
    for asset in ["ladder", "camera"] {
        let by_time = format!("/vod/v1/{asset}/dash/index.mpd");
        let by_time = mpd_segments(&by_time, origin.get(&by_time).text()).media;
        let numbered = origin.get(&format!("/vod/v1/{asset}/numbers/index.mpd"));
        assert_eq!(attribute(numbered.text(), "minBufferTime"), Some("PT3S"));
        assert!(numbered.text().contains("urn:dvb:dash:profile:dvb-dash:2014"));
        for template in templates(numbered.text()) {
            assert!(template.contains("/number-$Number$.m4s\""), "{template}");
            assert!(
                template.contains("<SegmentTimeline>") && template.contains(" startNumber=\"1\"")
            );
        }
        let mut number = 0;
        let mut directory = "";
        for (url, ..) in &by_time {
            let (own, _) = url.rsplit_once('/').unwrap();
            number = if own == directory { number + 1 } else { 1 };
            directory = own;
            let (wanted, found) =
                (origin.get(url), origin.get(&format!("{own}/number-{number}.m4s")));
            assert_eq!(found.status, 200, "{own} {number}");
            assert!(found.body == wanted.body, "{own} {number}");
            assert_eq!(found.header("etag"), wanted.header("etag"));
        }
        for odd in ["number-0.m4s", "number-01.m4s", "number-99.m4s", "number-1.ts"] {
            assert_eq!(origin.get(&format!("{directory}/{odd}")).status, 404, "{odd}");
        }
    }
}

#[test]
fn one_duration_stands_for_all_where_they_allow_it() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = origin(&data_dir);
    let ladder = origin.get("/vod/v1/ladder/duration/index.mpd");
    for template in templates(ladder.text()) {
        let timescale: i64 = attribute(&template, "timescale").unwrap().parse().unwrap();
        let duration: i64 = attribute(&template, "duration").unwrap().parse().unwrap();
        assert_eq!(duration, 6 * timescale);
        assert!(!template.contains("SegmentTimeline"), "{template}");
    }
    // Two periods, and a clip, have a timeline all the same.
    for path in ["camera/duration/index.mpd", "ladder/duration/index.mpd?start=6&end=18"] {
        let mpd = origin.get(&format!("/vod/v1/{path}"));
        for template in templates(mpd.text()) {
            assert!(
                template.contains("SegmentTimeline") && template.contains("$Number$"),
                "{path}"
            );
        }
    }
    let clip = origin.get("/vod/v1/ladder/duration/index.mpd?start=6&end=18");
    assert!(templates(clip.text()).iter().all(|template| template.contains(" startNumber=\"2\"")));
}
