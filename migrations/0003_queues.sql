-- What an operator sets on a queue. Until now a queue had a priority, which nobody could change.
ALTER TABLE queues ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 /* nothing more of it is entered */;
ALTER TABLE queues ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0 /* history names it; the next job that does brings it back */;
