CREATE TABLE mails (
    -- What handlers asked to be sent, committed with the success of their jobs; and how far it is.
    id            BLOB PRIMARY KEY, -- drawn when it was asked for
    tenant_id     INTEGER NOT NULL,
    job_id        BLOB NOT NULL,    -- whose success it came with
    message_id    TEXT NOT NULL,    -- what every transmission of it is called
    sender        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'partly_sent', 'failed', 'kept')),
    attempts      INTEGER NOT NULL DEFAULT 0, -- transmissions begun
    answered      INTEGER NOT NULL DEFAULT 0, -- of them those that a server answered: the delay to the next goes by it
    next_at       INTEGER,          -- of a queued one
    give_up_at    INTEGER,          -- of one that is queued or sent now
    host          INTEGER,          -- hosts.number of who sends it now
    error         TEXT,             -- what was in the way last
    created_at    INTEGER NOT NULL, -- the message's own date as well
    ended_at      INTEGER,          -- nothing happens to it any more by itself
    counted_bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX mails_of_tenant ON mails (tenant_id, id);
CREATE INDEX mails_of_state ON mails (tenant_id, state, id);
CREATE INDEX mails_of_job ON mails (job_id, id);
CREATE INDEX mails_due ON mails (tenant_id, next_at) WHERE state = 'queued';
CREATE INDEX mails_sending ON mails (host) WHERE state = 'sending';
CREATE INDEX mails_ended ON mails (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE mail_recipients (
    mail_id BLOB NOT NULL,
    place   INTEGER NOT NULL,
    role    TEXT NOT NULL CHECK (role IN ('to', 'cc', 'bcc')),
    mailbox TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'refused', 'failed')),
    answer  TEXT, -- the server's words
    PRIMARY KEY (mail_id, place)
) WITHOUT ROWID;

CREATE TABLE mail_contents (
    -- Bodies, headers and attachments; never changed.
    mail_id BLOB PRIMARY KEY,
    content BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE mail_counts (
    -- Kept with every change of a state, so that nobody counts.
    tenant_id INTEGER NOT NULL,
    state     TEXT NOT NULL,
    mails     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, state)
) WITHOUT ROWID;

CREATE TABLE mail_buckets (
    -- How much of the rate is used up, over all hosts: of a tenant, and, as 0, of all of them together.
    tenant_id INTEGER PRIMARY KEY,
    missing   INTEGER NOT NULL,
    at_ns     INTEGER NOT NULL
);
