BEGIN TRANSACTION;
CREATE TABLE abuse_reports (
	host VARCHAR NOT NULL, 
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	user VARCHAR NOT NULL, 
	jid VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	text TEXT NOT NULL, 
	stanza_ids TEXT NOT NULL, 
	may_forward VARCHAR NOT NULL
);
CREATE TABLE account_credentials (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL, 
	salt BLOB NOT NULL, 
	iterations INTEGER NOT NULL, 
	stored_key BLOB NOT NULL, 
	server_key BLOB NOT NULL, 
	PRIMARY KEY (host, user, hash)
);
INSERT INTO "account_credentials" VALUES('example.org','romeo','SHA-1',X'9B810A5391B01045775E4EF972690300',10000,X'0E878D71C29C4E3CCE5A28BFD13F034B876594FA',X'089BBCB080276CC84C01930E2E22E65084A305AE');
INSERT INTO "account_credentials" VALUES('example.org','romeo','SHA-256',X'9B810A5391B01045775E4EF972690300',10000,X'1896EF8091FACAA51BA80A74C133E7E17EA9FC79C666C14235D92ECF618E7756',X'91FF5B8E56B4709563BE3DF791F6066190460F45075324EEF33085DA5E6366ED');
INSERT INTO "account_credentials" VALUES('example.org','romeo','SHA-512',X'9B810A5391B01045775E4EF972690300',10000,X'A5ED6171064AFF86FBF1D8B3CD8CDE4A11E68C67F1FA7EE9B2FA3B9BAE04983C8FDFF2077BA2822F5393115230F38DF1D06066390E642058834994A8FDA18D2A',X'D219EEC354324EB7D7C2CA2BCF6AFC6E9C0D75A0C04C853CC98EEAE596CA77032B8EDB50CBC354C570879E674DE7D72A75B439F6CCF652FC6F83556144975739');
INSERT INTO "account_credentials" VALUES('example.org','juliet','SHA-1',X'3E616E68B3D974D055676B5A0DF3DD0C',10000,X'1E2037DB7762D9374553017822D37D0FADE04870',X'2AEA5AB9C9D0F1C9C39AFF174993B3E143CEB92C');
INSERT INTO "account_credentials" VALUES('example.org','juliet','SHA-256',X'3E616E68B3D974D055676B5A0DF3DD0C',10000,X'8B1094ECCCDD530A38FE7C7624D5142BE5243C2B9228226853BC20C4200F3E8D',X'6C58E3FE116EBD26D44BCB19C6B40BDF2AE6201CACF533E568EB621806C84E0E');
INSERT INTO "account_credentials" VALUES('example.org','juliet','SHA-512',X'3E616E68B3D974D055676B5A0DF3DD0C',10000,X'5B47E516F574210A7D3723FF93BEE2B3CE3542313B9F9704F8886F246460C81ECE6F6CF2F2D9C9D8858C77E2A013D01C4125CA2B41F5161C54B5DB49C6D0B5BC',X'AFCB22EA1A0445E2D440AA9F8518729395F015BF4156C445EC2CD1602F46457F805F84E5ABAC1F7C03429DCE037D94DA2DF7CE61A60AA36078B2520213813187');
INSERT INTO "account_credentials" VALUES('example.org','nurse','SHA-1',X'1491130782C283ACC9AAE53CD2E305B7',10000,X'4EB2B359B194FF31D766C43D9F8C582125B58D41',X'066EAFB32FE78D332C2BBBB4236EC8070506F8A1');
INSERT INTO "account_credentials" VALUES('example.org','nurse','SHA-256',X'1491130782C283ACC9AAE53CD2E305B7',10000,X'C4D0021BF4577BE4215FAD260177D1B81F5C2D7C0B53653ACB007CDBDA39D376',X'BFD12942ABF53357E7B86A8C4E4121707CA2A76B7B1775C6F9A349AE0F000571');
INSERT INTO "account_credentials" VALUES('example.org','nurse','SHA-512',X'1491130782C283ACC9AAE53CD2E305B7',10000,X'703F6F74097A20B2E1D969F1A985D9F2F93C99C08C700A40D5A3A1DD9519633428B55CA71450F52AAD0341DB9B399CDB2D3CA2D57307E48C398460FEE2BC8C8C',X'29EB2F9A50D725CD630F50A2B815375E570EF5F6A8E9807B4B0AD96C9BEFEED25FB8DBFCC88E0980756CD84F38425A3960BB7E0E336A9427FDF493B86F7687DB');
CREATE TABLE account_secrets (
	host VARCHAR NOT NULL, 
	secret BLOB NOT NULL, 
	PRIMARY KEY (host)
);
INSERT INTO "account_secrets" VALUES('example.org',X'860A8A6BDD8D137A8D63048400CB3CA01F79FFC3AD42B5193D0776454CF3A393');
CREATE TABLE accounts (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	created BIGINT NOT NULL, 
	disabled TEXT, 
	PRIMARY KEY (host, user)
);
INSERT INTO "accounts" VALUES('example.org','romeo',1795295615314544,NULL);
INSERT INTO "accounts" VALUES('example.org','juliet',1795295615347654,NULL);
INSERT INTO "accounts" VALUES('example.org','nurse',1795295615366414,NULL);
CREATE TABLE archive (
	host VARCHAR NOT NULL, 
	owner VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	token BIGINT NOT NULL, 
	peer_key BIGINT NOT NULL, 
	peer VARCHAR NOT NULL, 
	resource VARCHAR NOT NULL, 
	size BIGINT NOT NULL, 
	stanza BLOB NOT NULL, 
	PRIMARY KEY (host, owner, number)
)
 WITHOUT ROWID

;
INSERT INTO "archive" VALUES('example.org','juliet@example.org',1795295617291049,949943278043902971,2393149447,'nurse@example.org','',116,X'3C6D65737361676520746F3D276E75727365406578616D706C652E6F7267272066726F6D3D276A756C696574406578616D706C652E6F72672F62616C636F6E792720747970653D2763686174272069643D276F31273E3C626F64793E48696520796F753C2F626F64793E3C2F6D6573736167653E');
INSERT INTO "archive" VALUES('example.org','juliet@example.org',1795295617456573,60103019648338068,2864490679,'romeo@example.org','',127,X'3C6D65737361676520746F3D27726F6D656F406578616D706C652E6F7267272066726F6D3D276A756C696574406578616D706C652E6F72672F62616C636F6E792720747970653D2763686174272069643D276F32273E3C626F64793E5768657265666F7265206172742074686F753C2F626F64793E3C2F6D6573736167653E');
INSERT INTO "archive" VALUES('example.org','nurse@example.org',1795295617292629,208206536704355544,569257787,'juliet@example.org','balcony',116,X'3C6D65737361676520746F3D276E75727365406578616D706C652E6F7267272066726F6D3D276A756C696574406578616D706C652E6F72672F62616C636F6E792720747970653D2763686174272069643D276F31273E3C626F64793E48696520796F753C2F626F64793E3C2F6D6573736167653E');
INSERT INTO "archive" VALUES('example.org','romeo@example.org',1795295617456659,524477758762900078,569257787,'juliet@example.org','balcony',127,X'3C6D65737361676520746F3D27726F6D656F406578616D706C652E6F7267272066726F6D3D276A756C696574406578616D706C652E6F72672F62616C636F6E792720747970653D2763686174272069643D276F32273E3C626F64793E5768657265666F7265206172742074686F753C2F626F64793E3C2F6D6573736167653E');
PRAGMA writable_schema=ON;
INSERT INTO sqlite_master(type,name,tbl_name,rootpage,sql)VALUES('table','archive_fts','archive_fts',0,'CREATE VIRTUAL TABLE archive_fts USING fts5(scope, words, content=''archive_words'', content_rowid=''id'')');
CREATE TABLE 'archive_fts_config'(k PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO "archive_fts_config" VALUES('version',4);
CREATE TABLE 'archive_fts_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO "archive_fts_data" VALUES(1,X'');
INSERT INTO "archive_fts_data" VALUES(10,X'00000000000000');
CREATE TABLE 'archive_fts_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
CREATE TABLE 'archive_fts_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE archive_indexed (
	host VARCHAR NOT NULL, 
	owner VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	PRIMARY KEY (host, owner)
);
CREATE TABLE archive_preferences (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	"default" VARCHAR NOT NULL, 
	always TEXT NOT NULL, 
	never TEXT NOT NULL, 
	PRIMARY KEY (host, user)
);
CREATE TABLE archive_words (
	host VARCHAR NOT NULL, 
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	owner VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	scope VARCHAR NOT NULL, 
	words TEXT NOT NULL
);
CREATE TABLE blocked (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	jid VARCHAR NOT NULL, 
	PRIMARY KEY (host, user, jid)
);
INSERT INTO "blocked" VALUES('example.org','juliet','paris@example.org');
CREATE TABLE entity_caps (
	host VARCHAR NOT NULL, 
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	"key" VARCHAR NOT NULL, 
	features TEXT NOT NULL, 
	UNIQUE (host, "key")
);
CREATE TABLE fast_tokens (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	slot VARCHAR NOT NULL, 
	mechanism VARCHAR NOT NULL, 
	nonce VARCHAR NOT NULL, 
	issued BIGINT NOT NULL, 
	expires BIGINT NOT NULL, 
	uses BIGINT NOT NULL, 
	PRIMARY KEY (host, user, agent, slot)
);
CREATE TABLE last_seen (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	at BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	PRIMARY KEY (host, user)
);
INSERT INTO "last_seen" VALUES('example.org','romeo',1795295618618732,'');
INSERT INTO "last_seen" VALUES('example.org','juliet',1795295618622448,'');
CREATE TABLE motd (
	host VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	xml TEXT NOT NULL, 
	PRIMARY KEY (host)
);
CREATE TABLE motd_readers (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	PRIMARY KEY (host, user)
);
CREATE TABLE muc_affiliations (
	host VARCHAR NOT NULL, 
	room VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	affiliation VARCHAR NOT NULL, 
	nick VARCHAR NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (host, room, user)
);
INSERT INTO "muc_affiliations" VALUES('example.org','balcony','juliet@example.org','owner','','');
INSERT INTO "muc_affiliations" VALUES('example.org','balcony','romeo@example.org','member','romeo','');
CREATE TABLE muc_history (
	host VARCHAR NOT NULL, 
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	room VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	at BIGINT NOT NULL, 
	stanza BLOB NOT NULL
);
INSERT INTO "muc_history" VALUES('example.org',1,'balcony','c6fd11b70cfc4ddc35733f7c',1795295617778657,X'3C6D65737361676520746F3D2762616C636F6E7940636F6E666572656E63652E6578616D706C652E6F7267272066726F6D3D2762616C636F6E7940636F6E666572656E63652E6578616D706C652E6F72672F6A756C6965742720747970653D2767726F757063686174272069643D276D32273E3C626F64793E497420697320746865206C61726B3C2F626F64793E3C6F63637570616E742D696420786D6C6E733D2775726E3A786D70703A6F63637570616E742D69643A30272069643D2762613563396539663939333463663637306434643034626131383036663030613436356565323265313765366632626130303166623463363135643465663935272F3E3C7374616E7A612D696420786D6C6E733D2775726E3A786D70703A7369643A30272062793D2762616C636F6E7940636F6E666572656E63652E6578616D706C652E6F7267272069643D27633666643131623730636663346464633335373333663763272F3E3C2F6D6573736167653E');
CREATE TABLE muc_rooms (
	host VARCHAR NOT NULL, 
	room VARCHAR NOT NULL, 
	created BIGINT NOT NULL, 
	public BOOLEAN NOT NULL, 
	title TEXT NOT NULL, 
	config TEXT NOT NULL, 
	secret BLOB NOT NULL, 
	subject TEXT NOT NULL, 
	PRIMARY KEY (host, room)
);
INSERT INTO "muc_rooms" VALUES('example.org','balcony',1795295617466397,1,'The balcony','{"name": "The balcony", "description": "", "lang": "", "pubsub": "", "public": true, "persistent": true, "members_only": false, "moderated": false, "protected": false, "password": "", "whois": "moderators", "allow_pm": "anyone", "allow_invites": false, "change_subject": false, "logging": false, "max_users": 0, "history": 20, "broadcast": ["moderator", "participant", "visitor"], "member_list": ["moderator", "participant", "visitor"], "lock_nicks": false}',X'52F29A6B06CD9007E2A552BA8CA3E98412C7643CD88D1C13FA1DC43B188C821F','<message xmlns=''jabber:client'' from=''balcony@conference.example.org/juliet'' id=''1795295617777430''><subject>Stars</subject></message>');
CREATE TABLE offline (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	at BIGINT NOT NULL, 
	number BIGINT NOT NULL, 
	upto BIGINT NOT NULL, 
	size BIGINT NOT NULL, 
	stanza BLOB NOT NULL, 
	PRIMARY KEY (host, user, at)
);
INSERT INTO "offline" VALUES('example.org','nurse',1795295617346322,1,209,209,X'3C6D65737361676520746F3D276E75727365406578616D706C652E6F7267272066726F6D3D276A756C696574406578616D706C652E6F72672F62616C636F6E792720747970653D2763686174272069643D276F31273E3C626F64793E48696520796F753C2F626F64793E3C7374616E7A612D696420786D6C6E733D2775726E3A786D70703A7369643A30272069643D273036363063666435383931393535326533623262646634326436636438272062793D276E75727365406578616D706C652E6F7267272F3E3C2F6D6573736167653E');
CREATE TABLE private (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	ns VARCHAR NOT NULL, 
	size BIGINT NOT NULL, 
	xml TEXT NOT NULL, 
	PRIMARY KEY (host, user, ns)
);
INSERT INTO "private" VALUES('example.org','juliet','urn:example:note',85,'<query xmlns=''jabber:iq:private''><note xmlns=''urn:example:note''>poison</note></query>');
CREATE TABLE pubsub_affiliation (
	host VARCHAR NOT NULL, 
	node BIGINT NOT NULL, 
	jid VARCHAR NOT NULL, 
	affiliation VARCHAR NOT NULL, 
	PRIMARY KEY (host, node, jid)
);
INSERT INTO "pubsub_affiliation" VALUES('example.org',1,'juliet@example.org','owner');
INSERT INTO "pubsub_affiliation" VALUES('example.org',2,'juliet@example.org','owner');
CREATE TABLE pubsub_item (
	host VARCHAR NOT NULL, 
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	node BIGINT NOT NULL, 
	id VARCHAR NOT NULL, 
	publisher VARCHAR NOT NULL, 
	at BIGINT NOT NULL, 
	xml TEXT NOT NULL, 
	UNIQUE (node, id)
);
INSERT INTO "pubsub_item" VALUES('example.org',1,1,'a','juliet@example.org/balcony',1795295618087431,'<e xmlns=''urn:example:e''>first</e>');
INSERT INTO "pubsub_item" VALUES('example.org',2,1,'b','juliet@example.org/balcony',1795295618092062,'<e xmlns=''urn:example:e''>second é</e>');
INSERT INTO "pubsub_item" VALUES('example.org',4,2,'b','juliet@example.org/balcony',1795295618112080,'<e xmlns=''urn:example:e''>second é</e>');
CREATE TABLE pubsub_moved (
	host VARCHAR NOT NULL, 
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	service VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	uri TEXT NOT NULL, 
	UNIQUE (host, service, name)
);
CREATE TABLE pubsub_node (
	host VARCHAR NOT NULL, 
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	service VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	creator VARCHAR NOT NULL, 
	created BIGINT NOT NULL, 
	config TEXT NOT NULL, 
	expire_s BIGINT, 
	by_presence BOOLEAN NOT NULL, 
	size BIGINT NOT NULL, 
	UNIQUE (host, service, name)
);
INSERT INTO "pubsub_node" VALUES('example.org',1,'pubsub.example.org','news','juliet@example.org',1795295618078755,'{"title":"The news","description":"","type":"","language":"","contact":[],"access_model":"open","publish_model":"publishers","roster_groups_allowed":[],"subscribe":true,"deliver_notifications":true,"deliver_payloads":true,"notification_type":"headline","notify_config":false,"notify_delete":true,"notify_retract":true,"notify_sub":false,"presence_based_delivery":false,"send_last_published_item":"on_sub","persist_items":true,"max_items":5,"item_expire":null,"publish_node_full":"retract-oldest","max_payload_size":131072,"itemreply":"none"}',NULL,0,2);
INSERT INTO "pubsub_node" VALUES('example.org',2,'juliet@example.org','urn:example:tune','juliet@example.org',1795295618107859,'{"title":"","description":"","type":"","language":"","contact":[],"access_model":"presence","publish_model":"publishers","roster_groups_allowed":[],"subscribe":true,"deliver_notifications":true,"deliver_payloads":true,"notification_type":"headline","notify_config":false,"notify_delete":true,"notify_retract":true,"notify_sub":false,"presence_based_delivery":false,"send_last_published_item":"on_sub_and_presence","persist_items":true,"max_items":1,"item_expire":null,"publish_node_full":"retract-oldest","max_payload_size":131072,"itemreply":"none"}',NULL,1,1);
CREATE TABLE pubsub_subscription (
	host VARCHAR NOT NULL, 
	node BIGINT NOT NULL, 
	jid VARCHAR NOT NULL, 
	bare VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	subid VARCHAR NOT NULL, 
	options TEXT NOT NULL, 
	PRIMARY KEY (host, node, jid)
);
INSERT INTO "pubsub_subscription" VALUES('example.org',1,'romeo@example.org','romeo@example.org','subscribed','8ab9d8e41882add3','{"deliver":true,"expire":null}');
INSERT INTO "pubsub_subscription" VALUES('example.org',1,'romeo@example.org/orchard','romeo@example.org','subscribed','736f77dcf5fd2f28','{"deliver":true,"expire":null}');
INSERT INTO "pubsub_subscription" VALUES('example.org',2,'romeo@example.org','romeo@example.org','subscribed','e3902fd7b56a1bfb','{"deliver":true,"expire":null}');
CREATE TABLE push_services (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	jid VARCHAR NOT NULL, 
	node VARCHAR NOT NULL, 
	resource VARCHAR NOT NULL, 
	options TEXT NOT NULL, 
	PRIMARY KEY (host, user, jid, node)
);
CREATE TABLE roster_items (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	contact VARCHAR NOT NULL, 
	name TEXT NOT NULL, 
	groups TEXT NOT NULL, 
	"to" BOOLEAN NOT NULL, 
	from_ BOOLEAN NOT NULL, 
	ask BOOLEAN NOT NULL, 
	approved BOOLEAN NOT NULL, 
	version BIGINT NOT NULL, 
	PRIMARY KEY (host, user, contact)
);
INSERT INTO "roster_items" VALUES('example.org','romeo','juliet@example.org','Juliet','["Capulets"]',1,1,0,0,1795295615428037);
INSERT INTO "roster_items" VALUES('example.org','juliet','romeo@example.org','','[]',1,1,0,0,1795295615736359);
INSERT INTO "roster_items" VALUES('example.org','juliet','nurse@example.org','','[]',0,0,1,0,1795295615736358);
CREATE TABLE roster_removals (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	contact VARCHAR NOT NULL, 
	version BIGINT NOT NULL, 
	PRIMARY KEY (host, user, contact)
);
CREATE TABLE roster_requests (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	contact VARCHAR NOT NULL, 
	stanza BLOB NOT NULL, 
	PRIMARY KEY (host, user, contact)
);
INSERT INTO "roster_requests" VALUES('example.org','nurse','juliet@example.org',X'3C70726573656E636520746F3D276E75727365406578616D706C652E6F7267272066726F6D3D276A756C696574406578616D706C652E6F72672720747970653D27737562736372696265272F3E');
CREATE TABLE roster_versions (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	version BIGINT NOT NULL, 
	floor BIGINT NOT NULL, 
	PRIMARY KEY (host, user)
);
INSERT INTO "roster_versions" VALUES('example.org','romeo',1795295615428037,1795295615428033);
INSERT INTO "roster_versions" VALUES('example.org','juliet',1795295615736359,1795295615736355);
CREATE TABLE schema_version (
	module VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (module)
);
INSERT INTO "schema_version" VALUES('accounts',1);
INSERT INTO "schema_version" VALUES('announce',1);
INSERT INTO "schema_version" VALUES('archive',1);
INSERT INTO "schema_version" VALUES('blocking',1);
INSERT INTO "schema_version" VALUES('entity_caps',1);
INSERT INTO "schema_version" VALUES('fast',1);
INSERT INTO "schema_version" VALUES('last',1);
INSERT INTO "schema_version" VALUES('muc',1);
INSERT INTO "schema_version" VALUES('offline',1);
INSERT INTO "schema_version" VALUES('pubsub',1);
INSERT INTO "schema_version" VALUES('private',1);
INSERT INTO "schema_version" VALUES('push',1);
INSERT INTO "schema_version" VALUES('roster',1);
INSERT INTO "schema_version" VALUES('vcard',1);
CREATE TABLE vcard (
	host VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	xml TEXT NOT NULL, 
	PRIMARY KEY (host, user)
);
INSERT INTO "vcard" VALUES('example.org','juliet','<vCard xmlns=''vcard-temp''><FN>Juliet Capulet</FN></vCard>');
CREATE INDEX archive_words_by_owner ON archive_words (host, owner, number);
CREATE TRIGGER archive_words_added AFTER INSERT ON archive_words BEGIN INSERT INTO archive_fts(rowid, scope, words) VALUES (new.id, new.scope, new.words); END;
CREATE TRIGGER archive_words_gone AFTER DELETE ON archive_words BEGIN INSERT INTO archive_fts(archive_fts, rowid, scope, words) VALUES ('delete', old.id, old.scope, old.words); END;
CREATE INDEX archive_by_peer ON archive (host, owner, peer_key, number);
CREATE INDEX abuse_reports_by_host ON abuse_reports (host, id);
CREATE INDEX muc_rooms_listed ON muc_rooms (host, public, created);
CREATE INDEX muc_affiliations_user ON muc_affiliations (host, user);
CREATE INDEX muc_history_room ON muc_history (host, room, number);
CREATE INDEX pubsub_node_creator ON pubsub_node (host, creator);
CREATE INDEX pubsub_node_expire ON pubsub_node (expire_s);
CREATE INDEX pubsub_affiliation_jid ON pubsub_affiliation (host, jid);
CREATE INDEX pubsub_subscription_bare ON pubsub_subscription (host, bare);
CREATE INDEX pubsub_item_order ON pubsub_item (node, seq);
PRAGMA writable_schema=OFF;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('muc_history',1);
INSERT INTO "sqlite_sequence" VALUES('pubsub_node',2);
INSERT INTO "sqlite_sequence" VALUES('pubsub_item',4);
COMMIT;
