-- A shop for music, after the Chinook database: quoted names, keys of its own, times without a zone.
CREATE TABLE "Artist" ("ArtistId" serial PRIMARY KEY, "Name" varchar(120));
CREATE TABLE "Album" (
  "AlbumId" serial PRIMARY KEY,
  "Title" varchar(160) NOT NULL,
  "ArtistId" int NOT NULL REFERENCES "Artist"
);
CREATE TABLE "Employee" (
  "EmployeeId" serial PRIMARY KEY,
  "LastName" varchar(20) NOT NULL,
  "FirstName" varchar(20) NOT NULL,
  "ReportsTo" int REFERENCES "Employee" ON DELETE SET NULL,
  "HireDate" timestamp,
  "Email" varchar(60)
);
CREATE TABLE "Customer" (
  "CustomerId" serial PRIMARY KEY,
  "FirstName" varchar(40) NOT NULL,
  "LastName" varchar(20) NOT NULL,
  "Email" varchar(60) NOT NULL UNIQUE,
  "SupportRepId" int REFERENCES "Employee"
);
CREATE TABLE "Genre" ("GenreId" serial PRIMARY KEY, "Name" varchar(120) UNIQUE);
CREATE TABLE "MediaType" ("MediaTypeId" serial PRIMARY KEY, "Name" varchar(120));
CREATE TYPE quality AS ENUM ('low', 'high');
CREATE TABLE "Track" (
  "TrackId" serial PRIMARY KEY,
  "Name" varchar(200) NOT NULL,
  "AlbumId" int REFERENCES "Album" ON DELETE CASCADE,
  "MediaTypeId" int NOT NULL REFERENCES "MediaType",
  "GenreId" int REFERENCES "Genre",
  "Composer" varchar(220),
  "Milliseconds" int NOT NULL CHECK ("Milliseconds" > 0),
  "Bytes" bigint,
  "UnitPrice" numeric(10, 2) NOT NULL DEFAULT 0.99,
  "Quality" quality NOT NULL DEFAULT 'low',
  "Tags" text[],
  "Length" interval,
  "Seconds" int GENERATED ALWAYS AS ("Milliseconds" / 1000) STORED,
  CONSTRAINT "Track_loud" CHECK ("Name" <> 'SECRET' OR "Composer" IS NOT NULL)
);
CREATE INDEX "Track_AlbumId" ON "Track" ("AlbumId");
CREATE INDEX "Track_Name" ON "Track" ("Name");
CREATE TABLE "Invoice" (
  "InvoiceId" serial PRIMARY KEY,
  "CustomerId" int NOT NULL REFERENCES "Customer",
  "InvoiceDate" timestamp NOT NULL DEFAULT now(),
  "Total" numeric(10, 2) NOT NULL
);
CREATE TABLE "InvoiceLine" (
  "InvoiceLineId" serial PRIMARY KEY,
  "InvoiceId" int NOT NULL REFERENCES "Invoice" ON DELETE CASCADE,
  "TrackId" int NOT NULL REFERENCES "Track",
  "UnitPrice" numeric(10, 2) NOT NULL,
  "Quantity" int NOT NULL CHECK ("Quantity" BETWEEN 1 AND 100)
);
CREATE TABLE "Playlist" ("PlaylistId" serial PRIMARY KEY, "Name" varchar(120), owner uuid);
CREATE TABLE "PlaylistTrack" (
  "PlaylistId" int REFERENCES "Playlist" ON DELETE CASCADE,
  "TrackId" int REFERENCES "Track",
  PRIMARY KEY ("PlaylistId", "TrackId")
);
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."Name" = 'forbidden' THEN RAISE EXCEPTION 'the trigger says no to %', NEW."Name"; END IF;
  NEW."Name" := trim(NEW."Name");
  RETURN NEW;
END $$;
CREATE TRIGGER "Playlist_tidy" BEFORE INSERT OR UPDATE ON "Playlist" FOR EACH ROW EXECUTE FUNCTION tidy();

INSERT INTO "Artist" ("Name") VALUES ('AC/DC'), ('Accept'), ('aerosmith'), ('Zappa'), ('Ärzte'), (NULL);
INSERT INTO "Album" ("Title", "ArtistId")
  VALUES ('For Those About To Rock', 1), ('Balls to the Wall', 2), ('Big Ones', 3), ('Let There Be Rock', 1);
INSERT INTO "Employee" ("LastName", "FirstName", "ReportsTo", "HireDate", "Email")
  VALUES ('Adams', 'Andrew', NULL, '2002-08-14', 'andrew@chinook'), ('Edwards', 'Nancy', 1, '2002-05-01 10:30', NULL);
INSERT INTO "Customer" ("FirstName", "LastName", "Email", "SupportRepId")
  VALUES ('Luis', 'Goncalves', 'luis@example.com', 2), ('Leonie', 'Köhler', 'leonie@example.com', 2);
INSERT INTO "Genre" ("Name") VALUES ('Rock'), ('Jazz');
INSERT INTO "MediaType" ("Name") VALUES ('MPEG'), ('AAC');
INSERT INTO "Track" ("Name", "AlbumId", "MediaTypeId", "GenreId", "Composer", "Milliseconds", "Bytes", "Quality", "Tags",
    "Length")
  SELECT 'Track ' || n, 1 + n % 4, 1 + n % 2, 1 + n % 2, CASE WHEN n % 3 = 0 THEN NULL ELSE 'Composer ' || n % 5 END,
    1000 * n + 500, 9007199254740993, CASE WHEN n % 2 = 0 THEN 'low' ELSE 'high' END::quality,
    CASE WHEN n % 2 = 0 THEN ARRAY['a', 'b ' || n] END, make_interval(secs => n)
  FROM generate_series(1, 60) n;
INSERT INTO "Invoice" ("CustomerId", "InvoiceDate", "Total")
  VALUES (1, '2009-01-01', 1.98), (2, '2009-01-31 23:59:59.5', 3.96), (1, '2009-02-01', 0.99);
INSERT INTO "InvoiceLine" ("InvoiceId", "TrackId", "UnitPrice", "Quantity") VALUES (1, 1, 0.99, 2), (2, 2, 0.99, 4);
INSERT INTO "Playlist" ("Name", owner)
  VALUES ('Mine', '01900000-0000-7000-8000-000000000001'), ('Theirs', '01900000-0000-7000-8000-000000000002'),
    ('Nobody''s', NULL);
INSERT INTO "PlaylistTrack" VALUES (1, 1), (1, 2);
