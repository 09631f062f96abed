SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.abuse_reports (
    host character varying NOT NULL,
    id bigint NOT NULL,
    at bigint NOT NULL,
    "user" character varying NOT NULL,
    jid character varying NOT NULL,
    reason character varying NOT NULL,
    text text NOT NULL,
    stanza_ids text NOT NULL,
    may_forward character varying NOT NULL
);
CREATE SEQUENCE public.abuse_reports_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.abuse_reports_id_seq OWNED BY public.abuse_reports.id;
CREATE TABLE public.account_credentials (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    hash character varying NOT NULL,
    salt bytea NOT NULL,
    iterations integer NOT NULL,
    stored_key bytea NOT NULL,
    server_key bytea NOT NULL
);
CREATE TABLE public.account_secrets (
    host character varying NOT NULL,
    secret bytea NOT NULL
);
CREATE TABLE public.accounts (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    created bigint NOT NULL,
    disabled text
);
CREATE TABLE public.archive (
    host character varying NOT NULL,
    owner character varying NOT NULL,
    number bigint NOT NULL,
    token bigint NOT NULL,
    peer_key bigint NOT NULL,
    peer character varying NOT NULL,
    resource character varying NOT NULL,
    size bigint NOT NULL,
    stanza bytea NOT NULL
);
CREATE TABLE public.archive_indexed (
    host character varying NOT NULL,
    owner character varying NOT NULL,
    number bigint NOT NULL
);
CREATE TABLE public.archive_preferences (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    "default" character varying NOT NULL,
    always text NOT NULL,
    never text NOT NULL
);
CREATE TABLE public.archive_words (
    host character varying NOT NULL,
    id bigint NOT NULL,
    owner character varying NOT NULL,
    number bigint NOT NULL,
    scope character varying NOT NULL,
    words text NOT NULL
);
CREATE SEQUENCE public.archive_words_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.archive_words_id_seq OWNED BY public.archive_words.id;
CREATE TABLE public.blocked (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    jid character varying NOT NULL
);
CREATE TABLE public.entity_caps (
    host character varying NOT NULL,
    id bigint NOT NULL,
    key character varying NOT NULL,
    features text NOT NULL
);
CREATE SEQUENCE public.entity_caps_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.entity_caps_id_seq OWNED BY public.entity_caps.id;
CREATE TABLE public.fast_tokens (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    agent character varying NOT NULL,
    slot character varying NOT NULL,
    mechanism character varying NOT NULL,
    nonce character varying NOT NULL,
    issued bigint NOT NULL,
    expires bigint NOT NULL,
    uses bigint NOT NULL
);
CREATE TABLE public.last_seen (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    at bigint NOT NULL,
    status text NOT NULL
);
CREATE TABLE public.motd (
    host character varying NOT NULL,
    id character varying NOT NULL,
    xml text NOT NULL
);
CREATE TABLE public.motd_readers (
    host character varying NOT NULL,
    "user" character varying NOT NULL
);
CREATE TABLE public.muc_affiliations (
    host character varying NOT NULL,
    room character varying NOT NULL,
    "user" character varying NOT NULL,
    affiliation character varying NOT NULL,
    nick character varying NOT NULL,
    reason text NOT NULL
);
CREATE TABLE public.muc_history (
    host character varying NOT NULL,
    number bigint NOT NULL,
    room character varying NOT NULL,
    id character varying NOT NULL,
    at bigint NOT NULL,
    stanza bytea NOT NULL
);
CREATE SEQUENCE public.muc_history_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.muc_history_number_seq OWNED BY public.muc_history.number;
CREATE TABLE public.muc_rooms (
    host character varying NOT NULL,
    room character varying NOT NULL,
    created bigint NOT NULL,
    public boolean NOT NULL,
    title text NOT NULL,
    config text NOT NULL,
    secret bytea NOT NULL,
    subject text NOT NULL
);
CREATE TABLE public.offline (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    at bigint NOT NULL,
    number bigint NOT NULL,
    upto bigint NOT NULL,
    size bigint NOT NULL,
    stanza bytea NOT NULL
);
CREATE TABLE public.private (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    ns character varying NOT NULL,
    size bigint NOT NULL,
    xml text NOT NULL
);
CREATE TABLE public.pubsub_affiliation (
    host character varying NOT NULL,
    node bigint NOT NULL,
    jid character varying NOT NULL,
    affiliation character varying NOT NULL
);
CREATE TABLE public.pubsub_item (
    host character varying NOT NULL,
    seq bigint NOT NULL,
    node bigint NOT NULL,
    id character varying NOT NULL,
    publisher character varying NOT NULL,
    at bigint NOT NULL,
    xml text NOT NULL
);
CREATE SEQUENCE public.pubsub_item_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.pubsub_item_seq_seq OWNED BY public.pubsub_item.seq;
CREATE TABLE public.pubsub_moved (
    host character varying NOT NULL,
    id bigint NOT NULL,
    service character varying NOT NULL,
    name character varying NOT NULL,
    uri text NOT NULL
);
CREATE SEQUENCE public.pubsub_moved_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.pubsub_moved_id_seq OWNED BY public.pubsub_moved.id;
CREATE TABLE public.pubsub_node (
    host character varying NOT NULL,
    id bigint NOT NULL,
    service character varying NOT NULL,
    name character varying NOT NULL,
    creator character varying NOT NULL,
    created bigint NOT NULL,
    config text NOT NULL,
    expire_s bigint,
    by_presence boolean NOT NULL,
    size bigint NOT NULL
);
CREATE SEQUENCE public.pubsub_node_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.pubsub_node_id_seq OWNED BY public.pubsub_node.id;
CREATE TABLE public.pubsub_subscription (
    host character varying NOT NULL,
    node bigint NOT NULL,
    jid character varying NOT NULL,
    bare character varying NOT NULL,
    state character varying NOT NULL,
    subid character varying NOT NULL,
    options text NOT NULL
);
CREATE TABLE public.push_services (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    jid character varying NOT NULL,
    node character varying NOT NULL,
    resource character varying NOT NULL,
    options text NOT NULL
);
CREATE TABLE public.roster_items (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    contact character varying NOT NULL,
    name text NOT NULL,
    groups text NOT NULL,
    "to" boolean NOT NULL,
    from_ boolean NOT NULL,
    ask boolean NOT NULL,
    approved boolean NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE public.roster_removals (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    contact character varying NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE public.roster_requests (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    contact character varying NOT NULL,
    stanza bytea NOT NULL
);
CREATE TABLE public.roster_versions (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    version bigint NOT NULL,
    floor bigint NOT NULL
);
CREATE TABLE public.schema_version (
    module character varying NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.vcard (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    xml text NOT NULL
);
ALTER TABLE ONLY public.abuse_reports ALTER COLUMN id SET DEFAULT nextval('public.abuse_reports_id_seq'::regclass);
ALTER TABLE ONLY public.archive_words ALTER COLUMN id SET DEFAULT nextval('public.archive_words_id_seq'::regclass);
ALTER TABLE ONLY public.entity_caps ALTER COLUMN id SET DEFAULT nextval('public.entity_caps_id_seq'::regclass);
ALTER TABLE ONLY public.muc_history ALTER COLUMN number SET DEFAULT nextval('public.muc_history_number_seq'::regclass);
ALTER TABLE ONLY public.pubsub_item ALTER COLUMN seq SET DEFAULT nextval('public.pubsub_item_seq_seq'::regclass);
ALTER TABLE ONLY public.pubsub_moved ALTER COLUMN id SET DEFAULT nextval('public.pubsub_moved_id_seq'::regclass);
ALTER TABLE ONLY public.pubsub_node ALTER COLUMN id SET DEFAULT nextval('public.pubsub_node_id_seq'::regclass);
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-1', '\xd7fcd8f01847f99f0f3e9b53b4b43bb1', 10000, '\xd67f6abbf19d80bffe5d6237d5425acccff84f00', '\xf9b5c09d3eae9a141e7111606608f708c3916683');
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-256', '\xd7fcd8f01847f99f0f3e9b53b4b43bb1', 10000, '\x2fb5ef316ea72c5fe9def7f6cedef8b8412461a7b622d3a65a26d70df7b8be43', '\x16ec9bc9a4aebe9a95334a8ee28573ae348682f56a4d04c68870dc23ce03b2e4');
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-512', '\xd7fcd8f01847f99f0f3e9b53b4b43bb1', 10000, '\x488bcbb958c90f146507cfa72beac266e4020a81faf756638d898a46780d7060ac4b2e955926fba554f9c533689fa472fb085f44e482b62ca2fdb242562d9430', '\x90a9d6dcdd79f64102003f200f79569243bd30731cac6e6308eea00e4f10a582047dd61600af477e91c795d036e1de25d05d61b7ae45cfd4109eee1a81e0b956');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-1', '\xc350e3425c61005ca4d97e93e4e7e353', 10000, '\xb359668e2f04a1ccc8e6980fa0e9214b54eb4382', '\xa7ccc5252c52f76d0c8b0c8c766e14ee00e7df15');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-256', '\xc350e3425c61005ca4d97e93e4e7e353', 10000, '\xd0600e0aaef3ebff9dc65c7c39ab7cfb8d54d6ece73a34067b806ae5c78380cf', '\x313fd1f7744ca25eb741d8c1220c45f2c1e8da988e1ef22b5328c8bfa7e6656e');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-512', '\xc350e3425c61005ca4d97e93e4e7e353', 10000, '\x22f093812a12fa6acc507bdf0057cb850d66b7c81b951023d9235f59963cbea4301c78a7dd36cc1201f40b18ecda9560e8e64657c479c4dfca1d3b3bb9731668', '\xe5642dc80f73a3f5b3ede411627a3e3c84e1ea46603ae7c6229749e510640eed5a3f6540d4c55e05a3bd168ade83439f5d0ddfe63de00b278eafc08dba0b38d1');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-1', '\x1cfa61e423cf772932753c4a675ceb61', 10000, '\x06ed86f0664f06d923f62ce6f62f90a6bbc8d8bd', '\x558bc61a731385ee5648280aac234ddf410695a1');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-256', '\x1cfa61e423cf772932753c4a675ceb61', 10000, '\x229b117d0aea3048bab8430f4d8e5cd548ff3deaadad9931cb9d2f81a3fcec58', '\x6046599afbc21e2e26f0a0cdd51f3995883edc6bc2a53f389b4b4250216eb7e2');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-512', '\x1cfa61e423cf772932753c4a675ceb61', 10000, '\xf0f30cae5d85321460c533e7ccc35440f2bcaf828512e379cf4b7c8cae923afbe2d772c73554780cf71cadfb3adb41c3cd6c20b83c69eba48b09119bb6ff80f1', '\x9ca517bbbbfa806e09d92528e5a4ad98c7e6e5d70632df9d196893fa35bc4d15776749fa07b87b9117efdeb500e632f3a432c7e327b3ae6cbc1d0fc7a9f784e3');
INSERT INTO public.account_secrets VALUES ('example.org', '\x28007754ca5e60177fb671fbc0890fd5f892a9a579fd4cc0e5bdc244d1ebb048');
INSERT INTO public.accounts VALUES ('example.org', 'romeo', 1795295621314273, NULL);
INSERT INTO public.accounts VALUES ('example.org', 'juliet', 1795295621329211, NULL);
INSERT INTO public.accounts VALUES ('example.org', 'nurse', 1795295621341834, NULL);
INSERT INTO public.archive VALUES ('example.org', 'juliet@example.org', 1795295622294461, 1092699301710493220, 2393149447, 'nurse@example.org', '', 116, '\x3c6d65737361676520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f31273e3c626f64793e48696520796f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.archive VALUES ('example.org', 'nurse@example.org', 1795295622300982, 113091002139464099, 569257787, 'juliet@example.org', 'balcony', 116, '\x3c6d65737361676520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f31273e3c626f64793e48696520796f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.archive VALUES ('example.org', 'juliet@example.org', 1795295622307894, 824217659047683231, 2864490679, 'romeo@example.org', '', 127, '\x3c6d65737361676520746f3d27726f6d656f406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f32273e3c626f64793e5768657265666f7265206172742074686f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.archive VALUES ('example.org', 'romeo@example.org', 1795295622307953, 316508412520920338, 569257787, 'juliet@example.org', 'balcony', 127, '\x3c6d65737361676520746f3d27726f6d656f406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f32273e3c626f64793e5768657265666f7265206172742074686f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.blocked VALUES ('example.org', 'juliet', 'paris@example.org');
INSERT INTO public.last_seen VALUES ('example.org', 'romeo', 1795295623470894, '');
INSERT INTO public.last_seen VALUES ('example.org', 'juliet', 1795295623476160, '');
INSERT INTO public.muc_affiliations VALUES ('example.org', 'balcony', 'juliet@example.org', 'owner', '', '');
INSERT INTO public.muc_affiliations VALUES ('example.org', 'balcony', 'romeo@example.org', 'member', 'romeo', '');
INSERT INTO public.muc_history VALUES ('example.org', 1, 'balcony', '78319ee2d199030a05c2cf1e', 1795295622623558, '\x3c6d65737361676520746f3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f7267272066726f6d3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f72672f6a756c6965742720747970653d2767726f757063686174272069643d276d32273e3c626f64793e497420697320746865206c61726b3c2f626f64793e3c6f63637570616e742d696420786d6c6e733d2775726e3a786d70703a6f63637570616e742d69643a30272069643d2732326538616630343234396430313732316131653333366234373964316332646465663962303163363635396565333162363137323138316238333362333365272f3e3c7374616e7a612d696420786d6c6e733d2775726e3a786d70703a7369643a30272062793d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f7267272069643d27373833313965653264313939303330613035633263663165272f3e3c2f6d6573736167653e');
INSERT INTO public.muc_rooms VALUES ('example.org', 'balcony', 1795295622314866, true, 'The balcony', '{"name": "The balcony", "description": "", "lang": "", "pubsub": "", "public": true, "persistent": true, "members_only": false, "moderated": false, "protected": false, "password": "", "whois": "moderators", "allow_pm": "anyone", "allow_invites": false, "change_subject": false, "logging": false, "max_users": 0, "history": 20, "broadcast": ["moderator", "participant", "visitor"], "member_list": ["moderator", "participant", "visitor"], "lock_nicks": false}', '\xd28a3ef6cbbc8529b107994528208a854e9f06c37675b8b6867bb92243114d4f', '<message xmlns=''jabber:client'' from=''balcony@conference.example.org/juliet'' id=''1795295622622685''><subject>Stars</subject></message>');
INSERT INTO public.offline VALUES ('example.org', 'nurse', 1795295622304986, 1, 209, 209, '\x3c6d65737361676520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f31273e3c626f64793e48696520796f753c2f626f64793e3c7374616e7a612d696420786d6c6e733d2775726e3a786d70703a7369643a30272069643d273036363063666435643538353336313931633761616431643064316133272062793d276e75727365406578616d706c652e6f7267272f3e3c2f6d6573736167653e');
INSERT INTO public.private VALUES ('example.org', 'juliet', 'urn:example:note', 85, '<query xmlns=''jabber:iq:private''><note xmlns=''urn:example:note''>poison</note></query>');
INSERT INTO public.pubsub_affiliation VALUES ('example.org', 1, 'juliet@example.org', 'owner');
INSERT INTO public.pubsub_affiliation VALUES ('example.org', 2, 'juliet@example.org', 'owner');
INSERT INTO public.pubsub_item VALUES ('example.org', 1, 1, 'a', 'juliet@example.org/balcony', 1795295622934773, '<e xmlns=''urn:example:e''>first</e>');
INSERT INTO public.pubsub_item VALUES ('example.org', 2, 1, 'b', 'juliet@example.org/balcony', 1795295622940242, '<e xmlns=''urn:example:e''>second é</e>');
INSERT INTO public.pubsub_item VALUES ('example.org', 4, 2, 'b', 'juliet@example.org/balcony', 1795295622962304, '<e xmlns=''urn:example:e''>second é</e>');
INSERT INTO public.pubsub_node VALUES ('example.org', 1, 'pubsub.example.org', 'news', 'juliet@example.org', 1795295622924224, '{"title":"The news","description":"","type":"","language":"","contact":[],"access_model":"open","publish_model":"publishers","roster_groups_allowed":[],"subscribe":true,"deliver_notifications":true,"deliver_payloads":true,"notification_type":"headline","notify_config":false,"notify_delete":true,"notify_retract":true,"notify_sub":false,"presence_based_delivery":false,"send_last_published_item":"on_sub","persist_items":true,"max_items":5,"item_expire":null,"publish_node_full":"retract-oldest","max_payload_size":131072,"itemreply":"none"}', NULL, false, 2);
INSERT INTO public.pubsub_node VALUES ('example.org', 2, 'juliet@example.org', 'urn:example:tune', 'juliet@example.org', 1795295622957107, '{"title":"","description":"","type":"","language":"","contact":[],"access_model":"presence","publish_model":"publishers","roster_groups_allowed":[],"subscribe":true,"deliver_notifications":true,"deliver_payloads":true,"notification_type":"headline","notify_config":false,"notify_delete":true,"notify_retract":true,"notify_sub":false,"presence_based_delivery":false,"send_last_published_item":"on_sub_and_presence","persist_items":true,"max_items":1,"item_expire":null,"publish_node_full":"retract-oldest","max_payload_size":131072,"itemreply":"none"}', NULL, true, 1);
INSERT INTO public.pubsub_subscription VALUES ('example.org', 1, 'romeo@example.org', 'romeo@example.org', 'subscribed', '49175d102c15f33d', '{"deliver":true,"expire":null}');
INSERT INTO public.pubsub_subscription VALUES ('example.org', 1, 'romeo@example.org/orchard', 'romeo@example.org', 'subscribed', '45d2a1af5b6b84e9', '{"deliver":true,"expire":null}');
INSERT INTO public.pubsub_subscription VALUES ('example.org', 2, 'romeo@example.org', 'romeo@example.org', 'subscribed', '822427c8d2b83650', '{"deliver":true,"expire":null}');
INSERT INTO public.roster_items VALUES ('example.org', 'romeo', 'juliet@example.org', 'Juliet', '["Capulets"]', true, true, false, false, 1795295621381743);
INSERT INTO public.roster_items VALUES ('example.org', 'juliet', 'nurse@example.org', '', '[]', false, false, true, false, 1795295621689375);
INSERT INTO public.roster_items VALUES ('example.org', 'juliet', 'romeo@example.org', '', '[]', true, true, false, false, 1795295621689376);
INSERT INTO public.roster_requests VALUES ('example.org', 'nurse', 'juliet@example.org', '\x3c70726573656e636520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672720747970653d27737562736372696265272f3e');
INSERT INTO public.roster_versions VALUES ('example.org', 'romeo', 1795295621381743, 1795295621381739);
INSERT INTO public.roster_versions VALUES ('example.org', 'juliet', 1795295621689376, 1795295621689372);
INSERT INTO public.schema_version VALUES ('accounts', 1);
INSERT INTO public.schema_version VALUES ('announce', 1);
INSERT INTO public.schema_version VALUES ('archive', 1);
INSERT INTO public.schema_version VALUES ('blocking', 1);
INSERT INTO public.schema_version VALUES ('entity_caps', 1);
INSERT INTO public.schema_version VALUES ('fast', 1);
INSERT INTO public.schema_version VALUES ('last', 1);
INSERT INTO public.schema_version VALUES ('muc', 1);
INSERT INTO public.schema_version VALUES ('offline', 1);
INSERT INTO public.schema_version VALUES ('pubsub', 1);
INSERT INTO public.schema_version VALUES ('private', 1);
INSERT INTO public.schema_version VALUES ('push', 1);
INSERT INTO public.schema_version VALUES ('roster', 1);
INSERT INTO public.schema_version VALUES ('vcard', 1);
INSERT INTO public.vcard VALUES ('example.org', 'juliet', '<vCard xmlns=''vcard-temp''><FN>Juliet Capulet</FN></vCard>');
SELECT pg_catalog.setval('public.abuse_reports_id_seq', 1, false);
SELECT pg_catalog.setval('public.archive_words_id_seq', 1, false);
SELECT pg_catalog.setval('public.entity_caps_id_seq', 1, false);
SELECT pg_catalog.setval('public.muc_history_number_seq', 1, true);
SELECT pg_catalog.setval('public.pubsub_item_seq_seq', 4, true);
SELECT pg_catalog.setval('public.pubsub_moved_id_seq', 1, false);
SELECT pg_catalog.setval('public.pubsub_node_id_seq', 2, true);
ALTER TABLE ONLY public.abuse_reports
    ADD CONSTRAINT abuse_reports_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.account_credentials
    ADD CONSTRAINT account_credentials_pkey PRIMARY KEY (host, "user", hash);
ALTER TABLE ONLY public.account_secrets
    ADD CONSTRAINT account_secrets_pkey PRIMARY KEY (host);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.archive_indexed
    ADD CONSTRAINT archive_indexed_pkey PRIMARY KEY (host, owner);
ALTER TABLE ONLY public.archive
    ADD CONSTRAINT archive_pkey PRIMARY KEY (host, owner, number);
ALTER TABLE ONLY public.archive_preferences
    ADD CONSTRAINT archive_preferences_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.archive_words
    ADD CONSTRAINT archive_words_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.blocked
    ADD CONSTRAINT blocked_pkey PRIMARY KEY (host, "user", jid);
ALTER TABLE ONLY public.entity_caps
    ADD CONSTRAINT entity_caps_host_key_key UNIQUE (host, key);
ALTER TABLE ONLY public.entity_caps
    ADD CONSTRAINT entity_caps_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.fast_tokens
    ADD CONSTRAINT fast_tokens_pkey PRIMARY KEY (host, "user", agent, slot);
ALTER TABLE ONLY public.last_seen
    ADD CONSTRAINT last_seen_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.motd
    ADD CONSTRAINT motd_pkey PRIMARY KEY (host);
ALTER TABLE ONLY public.motd_readers
    ADD CONSTRAINT motd_readers_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.muc_affiliations
    ADD CONSTRAINT muc_affiliations_pkey PRIMARY KEY (host, room, "user");
ALTER TABLE ONLY public.muc_history
    ADD CONSTRAINT muc_history_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.muc_rooms
    ADD CONSTRAINT muc_rooms_pkey PRIMARY KEY (host, room);
ALTER TABLE ONLY public.offline
    ADD CONSTRAINT offline_pkey PRIMARY KEY (host, "user", at);
ALTER TABLE ONLY public.private
    ADD CONSTRAINT private_pkey PRIMARY KEY (host, "user", ns);
ALTER TABLE ONLY public.pubsub_affiliation
    ADD CONSTRAINT pubsub_affiliation_pkey PRIMARY KEY (host, node, jid);
ALTER TABLE ONLY public.pubsub_item
    ADD CONSTRAINT pubsub_item_node_id_key UNIQUE (node, id);
ALTER TABLE ONLY public.pubsub_item
    ADD CONSTRAINT pubsub_item_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.pubsub_moved
    ADD CONSTRAINT pubsub_moved_host_service_name_key UNIQUE (host, service, name);
ALTER TABLE ONLY public.pubsub_moved
    ADD CONSTRAINT pubsub_moved_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.pubsub_node
    ADD CONSTRAINT pubsub_node_host_service_name_key UNIQUE (host, service, name);
ALTER TABLE ONLY public.pubsub_node
    ADD CONSTRAINT pubsub_node_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.pubsub_subscription
    ADD CONSTRAINT pubsub_subscription_pkey PRIMARY KEY (host, node, jid);
ALTER TABLE ONLY public.push_services
    ADD CONSTRAINT push_services_pkey PRIMARY KEY (host, "user", jid, node);
ALTER TABLE ONLY public.roster_items
    ADD CONSTRAINT roster_items_pkey PRIMARY KEY (host, "user", contact);
ALTER TABLE ONLY public.roster_removals
    ADD CONSTRAINT roster_removals_pkey PRIMARY KEY (host, "user", contact);
ALTER TABLE ONLY public.roster_requests
    ADD CONSTRAINT roster_requests_pkey PRIMARY KEY (host, "user", contact);
ALTER TABLE ONLY public.roster_versions
    ADD CONSTRAINT roster_versions_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (module);
ALTER TABLE ONLY public.vcard
    ADD CONSTRAINT vcard_pkey PRIMARY KEY (host, "user");
CREATE INDEX abuse_reports_by_host ON public.abuse_reports USING btree (host, id);
CREATE INDEX archive_by_peer ON public.archive USING btree (host, owner, peer_key, number);
CREATE INDEX archive_words_by_owner ON public.archive_words USING btree (host, owner, number);
CREATE INDEX archive_words_text ON public.archive_words USING gin (to_tsvector('simple'::regconfig, words));
CREATE INDEX muc_affiliations_user ON public.muc_affiliations USING btree (host, "user");
CREATE INDEX muc_history_room ON public.muc_history USING btree (host, room, number);
CREATE INDEX muc_rooms_listed ON public.muc_rooms USING btree (host, public, created);
CREATE INDEX pubsub_affiliation_jid ON public.pubsub_affiliation USING btree (host, jid);
CREATE INDEX pubsub_item_order ON public.pubsub_item USING btree (node, seq);
CREATE INDEX pubsub_node_creator ON public.pubsub_node USING btree (host, creator);
CREATE INDEX pubsub_node_expire ON public.pubsub_node USING btree (expire_s);
CREATE INDEX pubsub_subscription_bare ON public.pubsub_subscription USING btree (host, bare);
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
