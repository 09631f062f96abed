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
CREATE TABLE public.avatar (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    hash character varying NOT NULL,
    type character varying NOT NULL,
    in_pep boolean NOT NULL
);
CREATE TABLE public.blocked (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    jid character varying NOT NULL
);
CREATE TABLE public.devices (
    host character varying NOT NULL,
    "user" character varying NOT NULL,
    id character varying NOT NULL,
    agent character varying NOT NULL,
    software text NOT NULL,
    device text NOT NULL,
    password boolean NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL
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
CREATE TABLE public.muc_extras (
    host character varying NOT NULL,
    room character varying NOT NULL,
    name character varying NOT NULL,
    value text NOT NULL
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
CREATE TABLE public.muc_resting (
    host character varying NOT NULL,
    room character varying NOT NULL,
    data text NOT NULL
);
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
CREATE TABLE public.sm_sessions (
    host character varying NOT NULL,
    id character varying NOT NULL,
    "user" character varying NOT NULL,
    handled bigint NOT NULL,
    until bigint NOT NULL,
    resumable_until bigint NOT NULL,
    snapshot bytea
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
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-1', '\xe7419e7a3a238ada1e215382079b5e44', 10000, '\xa31cfe026e52f6eee8e954893b9d807d08be9cc3', '\x6f4d47d7243bc15e668b9dedcf5692809c6a7009');
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-256', '\xe7419e7a3a238ada1e215382079b5e44', 10000, '\x8d58eaa74271d38416cfdedd0419147a926d23d62074958208f666c1f797c51f', '\x60d2bb05fec018ac4a55eb5b44d72779898778434945f9f4cb7217714ef81161');
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-512', '\xe7419e7a3a238ada1e215382079b5e44', 10000, '\xb98671e1e947bece162adce5f991ce7c8a4dfd5aa4654a967d6f1d907fba2cb2e4178e0915ee40fdc769cfd8f77024160b724776bddd1acef5f8c72214d18014', '\x8bbddfd87bcd6343b96184dfcc2782bd5508fcab972398d6aea7bcde011bac4ed796377c599291cf737c7529c4f66211c8393813082d7549bf5a083538fb1b92');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-1', '\x110ee77d5f35af2bdf1b17af578fa6d3', 10000, '\x92dc7757bc631177c765554d65aefea414f6a90a', '\xa17d58fa3657dc5e6354becd04968fcbe1a5d0d0');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-256', '\x110ee77d5f35af2bdf1b17af578fa6d3', 10000, '\xed634fe5b593dcc04db631ee8917af0fb6fd1db3d81c00dfd7866cd03cb4d77b', '\x4dd24572d033c0d885945ba9122336b7c1db4719c873d3f7dbeeae0068db26be');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-512', '\x110ee77d5f35af2bdf1b17af578fa6d3', 10000, '\xbbb42a62ca9a66575e285a510fa5e7d2260408a88f6f54e5c97486bec8e72a1c17c9105d55d03be7604e4f3b76ba61c78813652a2e8580cd12e7ed187071c475', '\xd481e006ab2f4aebbe9bfd488898b4f72a716bf2d769d934f47ba1558b93e47c5b1fa169470daeaa1b1647c42f0238a578cc30a8bf1b380fa9ce44d999b67548');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-1', '\xeb7b86e31ba834e081491088dd501c32', 10000, '\x8aed833444de276c1a5d32d69b57d17a9b4e7492', '\xb44724ac8000dde19b24fe3c3d051d59a7d9cd52');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-256', '\xeb7b86e31ba834e081491088dd501c32', 10000, '\xb27d424d99de0fcab1bcea471a3f3e59f81cb8a69968542c6c8f2739af9acbcc', '\xebc45b0cdfe8ccaadfd3c22544ddeb9c70ec94a5bd783c8ae90d6125a3b6010d');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-512', '\xeb7b86e31ba834e081491088dd501c32', 10000, '\xf774515ebe03c624185acc230bc71443ac31201cd4a2eb262b524c5128fef52174342dd37d4542c0a9bfab3d734fd3c879888620d37df7945aade6de9e8f2456', '\xcd54caa4168b79bd6afffdd63090046378dd8fde0b93994d112130bd581cfae45bec4ba0112f5fb2cd70dbbadc26719ee5cdfcc890e9bda41317b0f17dba452e');
INSERT INTO public.account_secrets VALUES ('example.org', '\x85dd038c88b336459bc2e3c9c40eb71c16379a9f27847a1df5f0ce01df1c3dd7');
INSERT INTO public.accounts VALUES ('example.org', 'romeo', 1795295636583394, NULL);
INSERT INTO public.accounts VALUES ('example.org', 'juliet', 1795295636650202, NULL);
INSERT INTO public.accounts VALUES ('example.org', 'nurse', 1795295636678537, NULL);
INSERT INTO public.archive VALUES ('example.org', 'juliet@example.org', 1795295637712845, 397396567644333955, 2393149447, 'nurse@example.org', '', 116, '\x3c6d65737361676520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f31273e3c626f64793e48696520796f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.archive VALUES ('example.org', 'nurse@example.org', 1795295637716434, 408604792870795836, 569257787, 'juliet@example.org', 'balcony', 116, '\x3c6d65737361676520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f31273e3c626f64793e48696520796f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.archive VALUES ('example.org', 'juliet@example.org', 1795295637724531, 369440020798644827, 2864490679, 'romeo@example.org', '', 127, '\x3c6d65737361676520746f3d27726f6d656f406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f32273e3c626f64793e5768657265666f7265206172742074686f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.archive VALUES ('example.org', 'romeo@example.org', 1795295637724637, 760540756427910443, 569257787, 'juliet@example.org', 'balcony', 127, '\x3c6d65737361676520746f3d27726f6d656f406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f32273e3c626f64793e5768657265666f7265206172742074686f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.archive VALUES ('example.org', 'balcony@conference.example.org', 1795295638064040, 735292124584822219, 3593623119, 'balcony@conference.example.org', 'juliet', 392, '\x3c6d65737361676520746f3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f7267272066726f6d3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f72672f6a756c6965742720747970653d2767726f757063686174272069643d276d31273e3c7375626a6563743e53746172733c2f7375626a6563743e3c6f63637570616e742d696420786d6c6e733d2775726e3a786d70703a6f63637570616e742d69643a30272069643d2766363536363434613861353566383132393866636561636133303665343734663837663633383664656563376632636165396362326338626461336332623764272f3e3c7820786d6c6e733d27687474703a2f2f6a61626265722e6f72672f70726f746f636f6c2f6d75632375736572273e3c6974656d20616666696c696174696f6e3d276f776e65722720726f6c653d276d6f64657261746f7227206a69643d276a756c696574406578616d706c652e6f72672f62616c636f6e79272f3e3c2f783e3c2f6d6573736167653e');
INSERT INTO public.archive VALUES ('example.org', 'balcony@conference.example.org', 1795295638068174, 79034157846468634, 3593623119, 'balcony@conference.example.org', 'juliet', 395, '\x3c6d65737361676520746f3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f7267272066726f6d3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f72672f6a756c6965742720747970653d2767726f757063686174272069643d276d32273e3c626f64793e497420697320746865206c61726b3c2f626f64793e3c6f63637570616e742d696420786d6c6e733d2775726e3a786d70703a6f63637570616e742d69643a30272069643d2766363536363434613861353566383132393866636561636133303665343734663837663633383664656563376632636165396362326338626461336332623764272f3e3c7820786d6c6e733d27687474703a2f2f6a61626265722e6f72672f70726f746f636f6c2f6d75632375736572273e3c6974656d20616666696c696174696f6e3d276f776e65722720726f6c653d276d6f64657261746f7227206a69643d276a756c696574406578616d706c652e6f72672f62616c636f6e79272f3e3c2f783e3c2f6d6573736167653e');
INSERT INTO public.blocked VALUES ('example.org', 'juliet', 'paris@example.org');
INSERT INTO public.last_seen VALUES ('example.org', 'romeo', 1795295638982920, '');
INSERT INTO public.last_seen VALUES ('example.org', 'juliet', 1795295638985525, '');
INSERT INTO public.muc_affiliations VALUES ('example.org', 'balcony', 'juliet@example.org', 'owner', '', '');
INSERT INTO public.muc_affiliations VALUES ('example.org', 'balcony', 'romeo@example.org', 'member', 'romeo', '');
INSERT INTO public.muc_extras VALUES ('example.org', 'balcony', 'versions', '{"name": "b41027c4", "at": 1, "floor": 0, "changes": [["romeo@example.org", 1]]}');
INSERT INTO public.muc_resting VALUES ('example.org', 'balcony', '{"jid": "balcony@conference.example.org", "secret": {"base64": "fKv4GKIPNDjeGjLCZJHGkbiGScv8PJrfXuRGAsu/8LE="}, "config": "{\"name\": \"The balcony\", \"description\": \"\", \"lang\": \"\", \"pubsub\": \"\", \"public\": true, \"persistent\": true, \"members_only\": false, \"moderated\": false, \"protected\": false, \"password\": \"\", \"whois\": \"moderators\", \"allow_pm\": \"anyone\", \"allow_invites\": false, \"change_subject\": false, \"archiving\": true, \"logging\": false, \"max_users\": 0, \"history\": 20, \"broadcast\": [\"moderator\", \"participant\", \"visitor\"], \"member_list\": [\"moderator\", \"participant\", \"visitor\"], \"lock_nicks\": false, \"quiet\": false, \"slow_mode\": 0}", "locked": false, "created": 1795295637741153, "standings": [["juliet@example.org", "owner", "", ""], ["romeo@example.org", "member", "romeo", ""]], "subject": "<message xmlns=''jabber:client'' from=''balcony@conference.example.org/juliet'' id=''1795295638060948''><subject>Stars</subject></message>", "tail": [["0660cfd6c61bce118c925d78f981a", 1795295638068221, {"base64": "PG1lc3NhZ2UgdG89J2JhbGNvbnlAY29uZmVyZW5jZS5leGFtcGxlLm9yZycgZnJvbT0nYmFsY29ueUBjb25mZXJlbmNlLmV4YW1wbGUub3JnL2p1bGlldCcgdHlwZT0nZ3JvdXBjaGF0JyBpZD0nbTInPjxib2R5Pkl0IGlzIHRoZSBsYXJrPC9ib2R5PjxvY2N1cGFudC1pZCB4bWxucz0ndXJuOnhtcHA6b2NjdXBhbnQtaWQ6MCcgaWQ9J2Y2NTY2NDRhOGE1NWY4MTI5OGZjZWFjYTMwNmU0NzRmODdmNjM4NmRlZWM3ZjJjYWU5Y2IyYzhiZGEzYzJiN2QnLz48c3RhbnphLWlkIHhtbG5zPSd1cm46eG1wcDpzaWQ6MCcgYnk9J2JhbGNvbnlAY29uZmVyZW5jZS5leGFtcGxlLm9yZycgaWQ9JzA2NjBjZmQ2YzYxYmNlMTE4YzkyNWQ3OGY5ODFhJy8+PC9tZXNzYWdlPg=="}]], "occupants": [["juliet", "juliet@example.org", "moderator", [["juliet@example.org/garden", {"base64": "PHByZXNlbmNlIHRvPSdiYWxjb255QGNvbmZlcmVuY2UuZXhhbXBsZS5vcmcvanVsaWV0JyBmcm9tPSdqdWxpZXRAZXhhbXBsZS5vcmcvZ2FyZGVuJy8+"}]], false]], "extras": {"versions": "{\"name\": \"b41027c4\", \"at\": 1, \"floor\": 0, \"changes\": [[\"romeo@example.org\", 1]]}"}}');
INSERT INTO public.muc_rooms VALUES ('example.org', 'balcony', 1795295637741153, true, 'The balcony', '{"name": "The balcony", "description": "", "lang": "", "pubsub": "", "public": true, "persistent": true, "members_only": false, "moderated": false, "protected": false, "password": "", "whois": "moderators", "allow_pm": "anyone", "allow_invites": false, "change_subject": false, "archiving": true, "logging": false, "max_users": 0, "history": 20, "broadcast": ["moderator", "participant", "visitor"], "member_list": ["moderator", "participant", "visitor"], "lock_nicks": false, "quiet": false, "slow_mode": 0}', '\x7cabf818a20f3438de1a32c26491c691b88649cbfc3c9adf5ee44602cbbff0b1', '<message xmlns=''jabber:client'' from=''balcony@conference.example.org/juliet'' id=''1795295638060948''><subject>Stars</subject></message>');
INSERT INTO public.offline VALUES ('example.org', 'nurse', 1795295637720131, 1, 209, 209, '\x3c6d65737361676520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f31273e3c626f64793e48696520796f753c2f626f64793e3c7374616e7a612d696420786d6c6e733d2775726e3a786d70703a7369643a30272069643d273036363063666436633062646432356162613765346563393566613363272062793d276e75727365406578616d706c652e6f7267272f3e3c2f6d6573736167653e');
INSERT INTO public.private VALUES ('example.org', 'juliet', 'urn:example:note', 85, '<query xmlns=''jabber:iq:private''><note xmlns=''urn:example:note''>poison</note></query>');
INSERT INTO public.pubsub_affiliation VALUES ('example.org', 1, 'juliet@example.org', 'owner');
INSERT INTO public.pubsub_affiliation VALUES ('example.org', 2, 'juliet@example.org', 'owner');
INSERT INTO public.pubsub_affiliation VALUES ('example.org', 3, 'juliet@example.org', 'owner');
INSERT INTO public.pubsub_item VALUES ('example.org', 1, 1, 'current', 'juliet@example.org', 1795295637692122, '<vcard xmlns=''urn:ietf:params:xml:ns:vcard-4.0''><fn><text>Juliet Capulet</text></fn></vcard>');
INSERT INTO public.pubsub_item VALUES ('example.org', 2, 2, 'a', 'juliet@example.org/balcony', 1795295638377146, '<e xmlns=''urn:example:e''>first</e>');
INSERT INTO public.pubsub_item VALUES ('example.org', 3, 2, 'b', 'juliet@example.org/balcony', 1795295638396888, '<e xmlns=''urn:example:e''>second é</e>');
INSERT INTO public.pubsub_item VALUES ('example.org', 5, 3, 'b', 'juliet@example.org/balcony', 1795295638465170, '<e xmlns=''urn:example:e''>second é</e>');
INSERT INTO public.pubsub_node VALUES ('example.org', 1, 'juliet@example.org', 'urn:xmpp:vcard4', 'juliet@example.org', 1795295637680102, '{"title":"","description":"","type":"","language":"","contact":[],"access_model":"open","publish_model":"publishers","roster_groups_allowed":[],"subscribe":true,"deliver_notifications":true,"deliver_payloads":false,"notification_type":"headline","notify_config":false,"notify_delete":true,"notify_retract":true,"notify_sub":false,"presence_based_delivery":false,"send_last_published_item":"on_sub_and_presence","persist_items":true,"max_items":1,"item_expire":null,"publish_node_full":"retract-oldest","max_payload_size":131072,"itemreply":"none"}', NULL, true, 1);
INSERT INTO public.pubsub_node VALUES ('example.org', 2, 'pubsub.example.org', 'news', 'juliet@example.org', 1795295638364975, '{"title":"The news","description":"","type":"","language":"","contact":[],"access_model":"open","publish_model":"publishers","roster_groups_allowed":[],"subscribe":true,"deliver_notifications":true,"deliver_payloads":true,"notification_type":"headline","notify_config":false,"notify_delete":true,"notify_retract":true,"notify_sub":false,"presence_based_delivery":false,"send_last_published_item":"on_sub","persist_items":true,"max_items":5,"item_expire":null,"publish_node_full":"retract-oldest","max_payload_size":131072,"itemreply":"none"}', NULL, false, 2);
INSERT INTO public.pubsub_node VALUES ('example.org', 3, 'juliet@example.org', 'urn:example:tune', 'juliet@example.org', 1795295638443634, '{"title":"","description":"","type":"","language":"","contact":[],"access_model":"presence","publish_model":"publishers","roster_groups_allowed":[],"subscribe":true,"deliver_notifications":true,"deliver_payloads":true,"notification_type":"headline","notify_config":false,"notify_delete":true,"notify_retract":true,"notify_sub":false,"presence_based_delivery":false,"send_last_published_item":"on_sub_and_presence","persist_items":true,"max_items":1,"item_expire":null,"publish_node_full":"retract-oldest","max_payload_size":131072,"itemreply":"none"}', NULL, true, 1);
INSERT INTO public.pubsub_subscription VALUES ('example.org', 2, 'romeo@example.org', 'romeo@example.org', 'subscribed', 'fde0a8063b32ae4a', '{"deliver":true,"expire":null}');
INSERT INTO public.pubsub_subscription VALUES ('example.org', 2, 'romeo@example.org/orchard', 'romeo@example.org', 'subscribed', '519bd650bbf3709e', '{"deliver":true,"expire":null}');
INSERT INTO public.pubsub_subscription VALUES ('example.org', 3, 'romeo@example.org', 'romeo@example.org', 'subscribed', 'a3aadc4b3f4554ca', '{"deliver":true,"expire":null}');
INSERT INTO public.roster_items VALUES ('example.org', 'romeo', 'juliet@example.org', 'Juliet', '["Capulets"]', true, true, false, false, 1795295636762237);
INSERT INTO public.roster_items VALUES ('example.org', 'juliet', 'nurse@example.org', '', '[]', false, false, true, false, 1795295637074520);
INSERT INTO public.roster_items VALUES ('example.org', 'juliet', 'romeo@example.org', '', '[]', true, true, false, false, 1795295637074521);
INSERT INTO public.roster_requests VALUES ('example.org', 'nurse', 'juliet@example.org', '\x3c70726573656e636520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672720747970653d27737562736372696265272f3e');
INSERT INTO public.roster_versions VALUES ('example.org', 'romeo', 1795295636762237, 1795295636762233);
INSERT INTO public.roster_versions VALUES ('example.org', 'juliet', 1795295637074521, 1795295637074517);
INSERT INTO public.schema_version VALUES ('accounts', 1);
INSERT INTO public.schema_version VALUES ('announce', 1);
INSERT INTO public.schema_version VALUES ('archive', 1);
INSERT INTO public.schema_version VALUES ('avatars', 1);
INSERT INTO public.schema_version VALUES ('blocking', 1);
INSERT INTO public.schema_version VALUES ('devices', 1);
INSERT INTO public.schema_version VALUES ('entity_caps', 1);
INSERT INTO public.schema_version VALUES ('fast', 1);
INSERT INTO public.schema_version VALUES ('last', 1);
INSERT INTO public.schema_version VALUES ('muc', 1);
INSERT INTO public.schema_version VALUES ('offline', 1);
INSERT INTO public.schema_version VALUES ('pubsub', 1);
INSERT INTO public.schema_version VALUES ('private', 1);
INSERT INTO public.schema_version VALUES ('push', 1);
INSERT INTO public.schema_version VALUES ('roster', 1);
INSERT INTO public.schema_version VALUES ('sm', 1);
INSERT INTO public.schema_version VALUES ('vcard', 1);
INSERT INTO public.sm_sessions VALUES ('example.org', 'FuuiCwWpSAhjcF8hY7tXdw', 'juliet', 2, 1795382640, 1795296240, '\x7b226a6964223a20226a756c696574406578616d706c652e6f72672f67617264656e222c2022736563757265223a20747275652c202261646472657373223a20223132372e302e302e31222c202270726573656e6365223a20223c70726573656e636520746f3d276a756c696574406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f67617264656e272f3e222c202268616e646c6564223a20322c202261636b6564223a20302c20226d61785f73223a203630302e302c2022756e7772697474656e223a20302c20227175657565223a205b5b313739353239353633392e3330383535312c206e756c6c2c20223c70726573656e636520746f3d276a756c696574406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f67617264656e272f3e225d2c205b313739353239353633392e3631323835312c206e756c6c2c20223c70726573656e636520746f3d276a756c696574406578616d706c652e6f72672f67617264656e272066726f6d3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f72672f6a756c696574273e3c7820786d6c6e733d27687474703a2f2f6a61626265722e6f72672f70726f746f636f6c2f6d75632375736572273e3c6974656d20616666696c696174696f6e3d276f776e65722720726f6c653d276d6f64657261746f7227206a69643d276a756c696574406578616d706c652e6f72672f67617264656e272f3e3c73746174757320636f64653d27313130272f3e3c2f783e3c6f63637570616e742d696420786d6c6e733d2775726e3a786d70703a6f63637570616e742d69643a30272069643d2766363536363434613861353566383132393866636561636133303665343734663837663633383664656563376632636165396362326338626461336332623764272f3e3c2f70726573656e63653e225d2c205b313739353239353633392e3631323838332c206e756c6c2c20223c6d65737361676520746f3d276a756c696574406578616d706c652e6f72672f67617264656e272066726f6d3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f72672f6a756c6965742720747970653d2767726f757063686174272069643d276d32273e3c626f64793e497420697320746865206c61726b3c2f626f64793e3c6f63637570616e742d696420786d6c6e733d2775726e3a786d70703a6f63637570616e742d69643a30272069643d2766363536363434613861353566383132393866636561636133303665343734663837663633383664656563376632636165396362326338626461336332623764272f3e3c7374616e7a612d696420786d6c6e733d2775726e3a786d70703a7369643a30272062793d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f7267272069643d273036363063666436633631626365313138633932356437386639383161272f3e3c64656c617920786d6c6e733d2775726e3a786d70703a64656c6179272066726f6d3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f726727207374616d703d27323032362d31312d32315432313a31333a35382e3036383232315a272f3e3c2f6d6573736167653e225d2c205b313739353239353633392e3631323839352c206e756c6c2c20223c6d65737361676520746f3d276a756c696574406578616d706c652e6f72672f67617264656e272066726f6d3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f72672f6a756c6965742720747970653d2767726f757063686174273e3c7375626a6563743e53746172733c2f7375626a6563743e3c64656c617920786d6c6e733d2775726e3a786d70703a64656c6179272066726f6d3d2762616c636f6e7940636f6e666572656e63652e6578616d706c652e6f726727207374616d703d27323032362d31312d32315432313a31333a35382e3036303934385a272f3e3c2f6d6573736167653e225d5d2c20227374617465223a207b22786d7070642e6d6f64756c65732e7075627375622e7065702e5065702e77616e7473223a206e756c6c2c2022786d7070642e6d6f64756c65732e70726573656e63652e50726573656e636542726f6164636173742e6469726563746564223a207b22736574223a205b7b226a6964223a202262616c636f6e7940636f6e666572656e63652e6578616d706c652e6f72672f6a756c696574227d5d7d7d7d');
INSERT INTO public.vcard VALUES ('example.org', 'juliet', '<vCard xmlns=''vcard-temp''><FN>Juliet Capulet</FN></vCard>');
SELECT pg_catalog.setval('public.abuse_reports_id_seq', 1, false);
SELECT pg_catalog.setval('public.archive_words_id_seq', 1, false);
SELECT pg_catalog.setval('public.entity_caps_id_seq', 1, false);
SELECT pg_catalog.setval('public.muc_history_number_seq', 1, false);
SELECT pg_catalog.setval('public.pubsub_item_seq_seq', 5, true);
SELECT pg_catalog.setval('public.pubsub_moved_id_seq', 1, false);
SELECT pg_catalog.setval('public.pubsub_node_id_seq', 3, true);
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
ALTER TABLE ONLY public.avatar
    ADD CONSTRAINT avatar_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.blocked
    ADD CONSTRAINT blocked_pkey PRIMARY KEY (host, "user", jid);
ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_pkey PRIMARY KEY (host, "user", id);
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
ALTER TABLE ONLY public.muc_extras
    ADD CONSTRAINT muc_extras_pkey PRIMARY KEY (host, room, name);
ALTER TABLE ONLY public.muc_history
    ADD CONSTRAINT muc_history_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.muc_resting
    ADD CONSTRAINT muc_resting_pkey PRIMARY KEY (host, room);
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
ALTER TABLE ONLY public.sm_sessions
    ADD CONSTRAINT sm_sessions_pkey PRIMARY KEY (host, id);
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
CREATE INDEX sm_sessions_by_user ON public.sm_sessions USING btree (host, "user");
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
