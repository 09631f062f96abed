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
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-1', '\x5e30513ef8570e126fa029638f433ccd', 10000, '\x1bdb0201390c000c4a38a25f4f96b536162e6d4e', '\x7acbb86c3083a42d4357ceae36bb4ae69e2f745b');
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-256', '\x5e30513ef8570e126fa029638f433ccd', 10000, '\xb423e664dea52c91221cc5c6ceddd9e38f9cc2f420f9f852c6955fe70df317ef', '\x5deb46ab583380d522f1555ec120c20f932b5ab9e492b0b0e7f50aa85ae9a4d4');
INSERT INTO public.account_credentials VALUES ('example.org', 'romeo', 'SHA-512', '\x5e30513ef8570e126fa029638f433ccd', 10000, '\x373675970abc7fcbf51cb5148646d2b90727680fd7688bbda2fdb8f2f7a6543cb1015865fe790331025c285769c9a8fb2af1c8ba5366e89c5f9b1d14ebc7de89', '\xe04fd4807c0241f28281007a02832fa5ba518240567edb298076edf8fae5d1f55cedb085fcf1b43209a74860df71443e42f726c32e588a878d1e8c9b79ed2fd6');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-1', '\x837cc5dac85421fee82a1d7bd8eef74d', 10000, '\xa8b9f4ce060914bb512113ea1298ccef05ae32a7', '\x2063edf02faf87553fcfadc2d35a1e2054250305');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-256', '\x837cc5dac85421fee82a1d7bd8eef74d', 10000, '\x22c3f212a6fd698edc37fbbbd67ef466e5725dafe5b2bf1fb0eccff7d94b1dfb', '\x767a19df42d77c5358eb586b8267930364104c407d7aef55b2ca57028d492329');
INSERT INTO public.account_credentials VALUES ('example.org', 'juliet', 'SHA-512', '\x837cc5dac85421fee82a1d7bd8eef74d', 10000, '\xb81c6e831043e4b13b0541e184bc2b2ebae609b72c3ec32400d1bf8437705618cb9348c16c4fbb05253e1ef4f2c125edc13a605bbbd882596a9e6622c0ec3cff', '\x081587aa9495296157f102968755995b813d79d50396670ddadb71e6fc7da3fd9ef9304278cfa42eac8f8aa7bd5c585a8a1b429fb9d76f16a0b83509073762f0');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-1', '\xd908575027e9ff6ab8503711ecb8d8e3', 10000, '\x1c19e8ed8103ddf0aceaf5aa4d80ee4999f62af1', '\x16516012fb4cee4183fa439fc8921a24d05f90df');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-256', '\xd908575027e9ff6ab8503711ecb8d8e3', 10000, '\xc1e5e64ec217c246ed1c0b5b1b5dae54d8603869875e780811a173a5663e5804', '\x0f1b25974ee602299f793a724d6a3429d3b1ea56817498c904006f081d398a04');
INSERT INTO public.account_credentials VALUES ('example.org', 'nurse', 'SHA-512', '\xd908575027e9ff6ab8503711ecb8d8e3', 10000, '\x2d2aaf61b9a7fdf99d278cbe7c0c618d652767bb96dbc1b4c49f9fc0017c4e84b63710afc5cfc778c67c44c539cf6cd72d74877248d7724307c1c4fc1e6ed748', '\x43548036b4c77cbd1bdcca00df764fcd20cfeb120d79c65e01464b2346a8550480ce133201e05f8e031609b3353f2ff6812860f49a7d834eac51bf03b8c0150d');
INSERT INTO public.account_secrets VALUES ('example.org', '\x5a323140a0ac2dd6510aca800bebe2bcf3e97e71f235b758199a00eba69e830c');
INSERT INTO public.accounts VALUES ('example.org', 'romeo', 1795295610022095, NULL);
INSERT INTO public.accounts VALUES ('example.org', 'juliet', 1795295610075416, NULL);
INSERT INTO public.accounts VALUES ('example.org', 'nurse', 1795295610092259, NULL);
INSERT INTO public.last_seen VALUES ('example.org', 'romeo', 1795295611660352, '');
INSERT INTO public.last_seen VALUES ('example.org', 'juliet', 1795295611663731, '');
INSERT INTO public.offline VALUES ('example.org', 'nurse', 1795295611152031, 1, 116, 116, '\x3c6d65737361676520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672f62616c636f6e792720747970653d2763686174272069643d276f31273e3c626f64793e48696520796f753c2f626f64793e3c2f6d6573736167653e');
INSERT INTO public.private VALUES ('example.org', 'juliet', 'urn:example:note', 85, '<query xmlns=''jabber:iq:private''><note xmlns=''urn:example:note''>poison</note></query>');
INSERT INTO public.roster_items VALUES ('example.org', 'romeo', 'juliet@example.org', 'Juliet', '["Capulets"]', true, true, false, false, 1795295610235496);
INSERT INTO public.roster_items VALUES ('example.org', 'juliet', 'nurse@example.org', '', '[]', false, false, true, false, 1795295610546691);
INSERT INTO public.roster_items VALUES ('example.org', 'juliet', 'romeo@example.org', '', '[]', true, true, false, false, 1795295610546692);
INSERT INTO public.roster_requests VALUES ('example.org', 'nurse', 'juliet@example.org', '\x3c70726573656e636520746f3d276e75727365406578616d706c652e6f7267272066726f6d3d276a756c696574406578616d706c652e6f72672720747970653d27737562736372696265272f3e');
INSERT INTO public.roster_versions VALUES ('example.org', 'romeo', 1795295610235496, 1795295610235492);
INSERT INTO public.roster_versions VALUES ('example.org', 'juliet', 1795295610546692, 1795295610546688);
INSERT INTO public.schema_version VALUES ('accounts', 1);
INSERT INTO public.schema_version VALUES ('announce', 1);
INSERT INTO public.schema_version VALUES ('last', 1);
INSERT INTO public.schema_version VALUES ('offline', 1);
INSERT INTO public.schema_version VALUES ('private', 1);
INSERT INTO public.schema_version VALUES ('roster', 1);
INSERT INTO public.schema_version VALUES ('vcard', 1);
INSERT INTO public.vcard VALUES ('example.org', 'juliet', '<vCard xmlns=''vcard-temp''><FN>Juliet Capulet</FN></vCard>');
ALTER TABLE ONLY public.account_credentials
    ADD CONSTRAINT account_credentials_pkey PRIMARY KEY (host, "user", hash);
ALTER TABLE ONLY public.account_secrets
    ADD CONSTRAINT account_secrets_pkey PRIMARY KEY (host);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.last_seen
    ADD CONSTRAINT last_seen_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.motd
    ADD CONSTRAINT motd_pkey PRIMARY KEY (host);
ALTER TABLE ONLY public.motd_readers
    ADD CONSTRAINT motd_readers_pkey PRIMARY KEY (host, "user");
ALTER TABLE ONLY public.offline
    ADD CONSTRAINT offline_pkey PRIMARY KEY (host, "user", at);
ALTER TABLE ONLY public.private
    ADD CONSTRAINT private_pkey PRIMARY KEY (host, "user", ns);
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
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
