-- Whether the file of a database was made. One that was made and is gone is a loss, and not an empty database.

ALTER TABLE databases ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
