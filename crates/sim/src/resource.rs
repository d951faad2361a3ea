//! The plain resources of a BMC as JSON: service root, services, system, manager, chassis, log services.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    bmc::{Bmc, State},
    entry::{self, time},
    habit::WhenFull,
    log::Log,
    profile::{EventServiceState, Login, Oem, Parent, Profile, UnknownQuery},
    registry,
};

pub(crate) fn root(profile: &Profile, state: &State) -> Value {
    let queries = profile.unknown_query == UnknownQuery::Ignored;
    let mut root = json!({
        "@odata.id": "/redfish/v1",
        "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": profile.redfish_version,
        "UUID": state.uuid,
        "Vendor": profile.vendor,
        "Product": profile.product,
        "Chassis": { "@odata.id": "/redfish/v1/Chassis" },
        "Managers": { "@odata.id": "/redfish/v1/Managers" },
        "Systems": { "@odata.id": "/redfish/v1/Systems" },
        "SessionService": { "@odata.id": "/redfish/v1/SessionService" },
        "Links": { "Sessions": { "@odata.id": "/redfish/v1/SessionService/Sessions" } },
        "ProtocolFeaturesSupported": {
            "ExpandQuery": { "ExpandAll": false, "Levels": false, "Links": false, "NoLinks": false },
            "FilterQuery": queries,
            "OnlyMemberQuery": true,
            "SelectQuery": true,
        },
    });
    if !state.registries.is_empty() {
        root["Registries"] = json!({ "@odata.id": registry::PATH });
    }
    if state.event_service != EventServiceState::Absent {
        root["EventService"] = json!({ "@odata.id": "/redfish/v1/EventService" });
    }
    root
}

/// The resource at a path without a trailing slash; log services are not among them.
pub(crate) fn at(bmc: &Bmc, state: &State, path: &str) -> Option<Value> {
    let profile = &bmc.config.profile;
    let parts: Vec<&str> = path.strip_prefix("/redfish/v1/")?.split('/').collect();
    Some(match parts.as_slice() {
        ["EventService"] if state.event_service != EventServiceState::Absent => event_service(state),
        ["EventService", "Subscriptions"] if state.event_service != EventServiceState::Absent => {
            collection(path, "#EventDestinationCollection.EventDestinationCollection", Vec::new())
        }
        ["Registries"] if !state.registries.is_empty() => collection(
            path,
            "#MessageRegistryFileCollection.MessageRegistryFileCollection",
            registry::ids(state.registries),
        ),
        ["Registries", under @ ..] => registry::below(state.registries, under)?,
        ["SessionService"] => session_service(state),
        ["SessionService", "Sessions"] if profile.login != Login::BasicOnly => {
            let ids = state.sessions.ids().map(str::to_owned).collect();
            collection(path, "#SessionCollection.SessionCollection", ids)
        }
        ["SessionService", "Sessions", id] if state.sessions.has(id) => session(profile, id),
        ["Systems"] => {
            collection(path, "#ComputerSystemCollection.ComputerSystemCollection", own(profile.system))
        }
        ["Managers"] => collection(path, "#ManagerCollection.ManagerCollection", own(profile.manager)),
        ["Chassis"] => collection(path, "#ChassisCollection.ChassisCollection", own(profile.chassis)),
        ["Systems", id] if *id == profile.system => system(bmc, state, path),
        ["Managers", id] if *id == profile.manager => manager(bmc, state, path),
        ["Chassis", id] if *id == profile.chassis => chassis(bmc, state, path),
        ["Systems", id, "LogServices"] if *id == profile.system => log_services(state, Parent::System, path)?,
        ["Managers", id, "LogServices"] if *id == profile.manager => {
            log_services(state, Parent::Manager, path)?
        }
        ["Chassis", id, "LogServices"] if *id == profile.chassis => {
            log_services(state, Parent::Chassis, path)?
        }
        _ => return None,
    })
}

pub(crate) fn session(profile: &Profile, id: &str) -> Value {
    json!({
        "@odata.id": format!("/redfish/v1/SessionService/Sessions/{id}"),
        "@odata.type": "#Session.v1_5_0.Session",
        "Id": id,
        "Name": "User Session",
        "UserName": profile.username,
    })
}

pub(crate) fn log_service(profile: &Profile, log: &Log, now: DateTime<Utc>) -> Value {
    let mut service = json!({
        "@odata.id": &*log.path,
        "@odata.type": "#LogService.v1_3_0.LogService",
        "Id": log.profile.id,
        "Name": format!("{} Log Service", log.profile.id),
        "DateTime": entry::service_time(profile, now),
        "DateTimeLocalOffset": profile.local_offset,
        "OverWritePolicy": match log.profile.when_full {
            WhenFull::Discard => "NeverOverWrites",
            WhenFull::Trim(_) | WhenFull::TwoQueues(_) => "WrapsWhenFull",
        },
        "ServiceEnabled": true,
        "Entries": { "@odata.id": log.entries_path },
        "Actions": { "#LogService.ClearLog": {
            "target": format!("{}/Actions/LogService.ClearLog", log.path),
        } },
    });
    if let Some(claimed) = log.profile.claimed_capacity {
        service["MaxNumberOfRecords"] = json!(claimed);
    }
    match profile.oem {
        Oem::NvidiaLogEntry => {
            let latest = log.newest();
            let latest_time = time(profile.time, latest.map_or(DateTime::UNIX_EPOCH, |entry| entry.time));
            service["Oem"] = json!({ "Nvidia": {
                "LatestEntryID": log.newest_id().unwrap_or_else(|| "0".to_owned()),
                "LatestEntryTimeStamp": latest_time,
            } });
        }
        Oem::LenovoSequence => {
            let (first, last) = log.numbers().unwrap_or((0, 0));
            service["Oem"] = json!({ "Lenovo": { "FirstSeqNum": first, "LastSeqNum": last } });
        }
        Oem::Plain | Oem::HpeEventNumber | Oem::Dell => {}
    }
    if let Some(etag) = profile.etag {
        service["@odata.etag"] = json!(etag);
    }
    if let Some(edit) = &log.service_edit {
        edit(&mut service);
    }
    service
}

fn own(id: &str) -> Vec<String> {
    vec![id.to_owned()]
}

fn collection(path: &str, kind: &str, ids: Vec<String>) -> Value {
    let members: Vec<Value> =
        ids.into_iter().map(|id| json!({ "@odata.id": format!("{path}/{id}") })).collect();
    json!({
        "@odata.id": path,
        "@odata.type": kind,
        "Name": "Collection",
        "Members@odata.count": members.len(),
        "Members": members,
    })
}

fn log_services(state: &State, parent: Parent, path: &str) -> Option<Value> {
    let of_parent = state.logs.iter().filter(|log| log.profile.parent == parent);
    let ids: Vec<String> = of_parent.map(|log| log.profile.id.to_owned()).collect();
    (!ids.is_empty()).then(|| collection(path, "#LogServiceCollection.LogServiceCollection", ids))
}

fn event_service(state: &State) -> Value {
    let enabled = state.event_service == EventServiceState::Enabled;
    let mut service = json!({
        "@odata.id": "/redfish/v1/EventService",
        "@odata.type": "#EventService.v1_5_0.EventService",
        "Id": "EventService",
        "Name": "Event Service",
        "ServiceEnabled": enabled,
        "Status": { "State": if enabled { "Enabled" } else { "Disabled" }, "Health": "OK" },
        "DeliveryRetryAttempts": 3,
        "DeliveryRetryIntervalSeconds": 30,
        "EventFormatTypes": ["Event"],
        "Subscriptions": { "@odata.id": "/redfish/v1/EventService/Subscriptions" },
        "SSEFilterPropertiesSupported": { "EventFormatType": true, "MessageId": true, "RegistryPrefix": true },
    });
    if let Some(uri) = state.sse_uri {
        service["ServerSentEventUri"] = json!(uri);
    }
    service
}

fn session_service(state: &State) -> Value {
    json!({
        "@odata.id": "/redfish/v1/SessionService",
        "@odata.type": "#SessionService.v1_0_2.SessionService",
        "Id": "SessionService",
        "Name": "Session Service",
        "ServiceEnabled": true,
        "SessionTimeout": state.sessions.timeout().as_secs(),
        "Sessions": { "@odata.id": "/redfish/v1/SessionService/Sessions" },
    })
}

fn system(bmc: &Bmc, state: &State, path: &str) -> Value {
    let profile = &bmc.config.profile;
    with_logs(
        profile,
        Parent::System,
        path,
        json!({
            "@odata.id": path,
            "@odata.type": "#ComputerSystem.v1_16_0.ComputerSystem",
            "Id": profile.system,
            "Name": bmc.config.name,
            "HostName": bmc.config.name,
            "Manufacturer": profile.vendor,
            "Model": profile.product,
            "SerialNumber": serial(state),
            // The host's own, which is not the manager's.
            "UUID": format!("5157e000-0000-4000-8000-{:012x}", state.machine & 0xffff_ffff_ffff),
            "PowerState": "On",
            "SystemType": "Physical",
            "Status": { "State": "Enabled", "Health": "OK" },
        }),
    )
}

fn manager(bmc: &Bmc, state: &State, path: &str) -> Value {
    let profile = &bmc.config.profile;
    with_logs(
        profile,
        Parent::Manager,
        path,
        json!({
            "@odata.id": path,
            "@odata.type": "#Manager.v1_14_0.Manager",
            "Id": profile.manager,
            "Name": "Manager",
            "ManagerType": "BMC",
            "Model": profile.product,
            "FirmwareVersion": state.firmware,
            "UUID": state.uuid,
            "DateTime": time(profile.time, bmc.clock_in(state)),
            "DateTimeLocalOffset": profile.local_offset,
            "LastResetTime": time(profile.time, state.booted),
            "Status": { "State": "Enabled", "Health": "OK" },
        }),
    )
}

fn chassis(bmc: &Bmc, state: &State, path: &str) -> Value {
    let profile = &bmc.config.profile;
    with_logs(
        profile,
        Parent::Chassis,
        path,
        json!({
            "@odata.id": path,
            "@odata.type": "#Chassis.v1_20_0.Chassis",
            "Id": profile.chassis,
            "Name": "Chassis",
            "ChassisType": "RackMount",
            "Manufacturer": profile.vendor,
            "SerialNumber": serial(state),
            "Status": { "State": "Enabled", "Health": "OK" },
        }),
    )
}

fn with_logs(profile: &Profile, parent: Parent, path: &str, mut resource: Value) -> Value {
    if profile.logs.iter().any(|log| log.parent == parent) {
        resource["LogServices"] = json!({ "@odata.id": format!("{path}/LogServices") });
    }
    resource
}

fn serial(state: &State) -> String {
    format!("SIM{:08X}", state.machine & 0xffff_ffff)
}
