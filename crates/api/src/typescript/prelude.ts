/** A UUID, hyphenated. */
export type Uuid = string;
/** RFC 3339 in UTC: `2026-01-31T12:00:00.000000Z`. */
export type Datetime = string;
/** `2026-01-31` */
export type CalendarDate = string;
/** An exact number, as a string at full scale: `"18.50"`. */
export type Decimal = string;
export type DecimalInput = string | number;
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };

export type ModelName = keyof Models;

/** A record with all that its caller may read. A member that a rule may hide is optional. */
export type RecordOf<M extends ModelName> = Models[M]["record"];

/** What `fields` can name. */
export type FieldName<M extends ModelName> = (keyof Models[M]["filters"] & string) | (keyof Declared<RecordOf<M>> & string);
type Declared<R> = { [K in keyof R as string extends K ? never : K]: R[K] };

/** A record of which `fields` named these. */
export type Selected<M extends ModelName, F extends FieldName<M>> = Pick<Declared<RecordOf<M>>, F & keyof Declared<RecordOf<M>>> &
  ("version" extends F ? { version: number } : unknown);

/** What `expand` can name: a relation, or a path of them, as in `category.parent`. */
export type ExpandPath<M extends ModelName> = PathWithin<M, 3>;
type PathWithin<M extends ModelName, Depth extends number> = {
  [K in keyof Models[M]["relations"] & string]: K | (Depth extends 1 ? never : `${K}.${PathWithin<TargetOf<M, K>, Less[Depth]>}`);
}[keyof Models[M]["relations"] & string];
type Less = [never, never, 1, 2];
type TargetOf<M extends ModelName, K extends keyof Models[M]["relations"]> = Models[M]["relations"][K] extends { to: infer To extends ModelName }
  ? To
  : never;

/** Records of the other side of a relation; `more` says that there are others. */
export interface Many<T> {
  data: T[];
  more: boolean;
}

/** A record with related ones in it, where `expand` named their paths. */
export type Expanded<M extends ModelName, P extends ExpandPath<M> = never> = Grown<M, P>;
type Grown<M extends ModelName, P extends string> = [P] extends [never]
  ? RecordOf<M>
  : Omit<Declared<RecordOf<M>>, Head<P>> & {
      // Optional where the relation is: a rule may hide it.
      [K in keyof Pick<Declared<RecordOf<M>>, Head<P> & keyof Declared<RecordOf<M>>>]: Grown<Target<M, K>, Tail<K, P>> | null;
    } & {
      [K in Exclude<Head<P>, keyof Declared<RecordOf<M>>>]: Many<Grown<Target<M, K>, Tail<K, P>>>;
    };
type Target<M extends ModelName, K> = K extends keyof Models[M]["relations"] ? TargetOf<M, K> : never;
type Head<P extends string> = P extends `${infer First}.${string}` ? First : P;
type Tail<K, P extends string> = K extends string ? (P extends `${K}.${infer Rest}` ? Rest : never) : never;

export interface Page<T> {
  data: T[];
  /** `cursor` of the next page; null on the last one. */
  next_cursor: string | null;
  /** All that match, with `count: "exact"`. */
  count?: number;
  /** Of each record of `data` what the search found, by field, with `snippets: true`: HTML, escaped, with `<mark>`. */
  snippets?: Record<string, string>[];
}

/** How an answer that holds records is shaped. Lists are written with commas: `fields=id,name`. */
export interface Select<M extends ModelName> {
  fields?: readonly FieldName<M>[];
  /** In brackets, of many records, how many and in which order: `reviews(limit:5,sort:-created_at)`. */
  expand?: readonly (ExpandPath<M> | `${string}(${string})${string}`)[];
}

type ListControl = "filter" | "sort" | "limit" | "cursor" | "fields" | "expand" | "count" | "search" | "snippets";
type Comparison = "eq" | "ne" | "lt" | "lte" | "gt" | "gte";

/** Plain filters: `status: "active"`, `"price[lte]": 100`, `"status[in]": ["active", "sold"]`. */
export type Filters<M extends ModelName, Controls extends string = ListControl> = {
  [F in keyof Models[M]["filters"] & string as F extends Controls ? never : F]?: Models[M]["filters"][F];
} & {
  [F in keyof Models[M]["filters"] & string as `${F}[${Comparison}]`]?: Models[M]["filters"][F];
} & {
  [F in keyof Models[M]["filters"] & string as `${F}[in]`]?: readonly Models[M]["filters"][F][];
};

/** Parameters of a list. */
export type List<M extends ModelName> = Filters<M> &
  Select<M> & {
    /** A CEL expression over the record. */
    filter?: string;
    sort?: readonly SortTerm<M>[];
    limit?: number;
    cursor?: string;
    count?: "exact";
    /** Words that records must have, for models that say what is searched: `red "running shoe" siz* -used`. */
    search?: string;
    snippets?: boolean;
  };

/** Chooses the records that a `PATCH` or `DELETE` of many writes. There must be a filter; all are `filter: "true"`. */
export type Matching<M extends ModelName> = Filters<M> & { filter?: string };

/** The record that the earlier operation of this name wrote. */
export interface Ref {
  $ref: string;
}
type WithRefs<B> = { [K in keyof B]: B[K] | Ref };
/** One operation of a batch; a relation in its body may be a `Ref`. */
export type BatchOperation = {
  [M in ModelName]:
    | { op: "create"; model: M; name?: string; body: WithRefs<Models[M]["create"]> }
    | { op: "update"; model: M; name?: string; id: Models[M]["key"] | Ref; body: WithRefs<Models[M]["update"]>; if_match?: string }
    | { op: "replace"; model: M; name?: string; id: Models[M]["key"] | Ref; body: WithRefs<Models[M]["replace"]>; if_match?: string }
    | { op: "upsert"; model: M; name?: string; key: string | readonly string[]; body: WithRefs<Models[M]["replace"]>; if_match?: string }
    | { op: "delete"; model: M; name?: string; id: Models[M]["key"] | Ref; if_match?: string };
}[ModelName];
/** Operations on models of one module, all or none. */
export interface Batch {
  operations: readonly BatchOperation[];
}
export interface BatchResult {
  status: 200 | 201 | 204;
  etag?: string;
  body?: { [field: string]: Json };
  /** Of what was created and may not be read by its writer. */
  id?: string;
}

type AggregateControl = "filter" | "group_by" | "count" | "sum" | "avg" | "min" | "max" | "having" | "sort" | "limit";
/** A field, a part of a date (`created_at.month`), or a path of relations to one record (`category.name`). */
type Column<M extends ModelName> = (keyof Models[M]["filters"] & string) | `${keyof Models[M]["filters"] & string}.${string}`;

/** Parameters of an aggregate. */
export type Aggregate<M extends ModelName> = Filters<M, AggregateControl> & {
  group_by?: readonly Column<M>[];
  count?: readonly ("*" | Column<M> | (keyof Declared<RecordOf<M>> & string))[];
  sum?: readonly Column<M>[];
  avg?: readonly Column<M>[];
  min?: readonly Column<M>[];
  max?: readonly Column<M>[];
  filter?: string;
  /** A CEL expression over the columns of the result. */
  having?: string;
  /** Columns of the result: `-sum_price`. */
  sort?: readonly string[];
  limit?: number;
};

/** What an aggregate answers: columns are called as what was grouped by, and as in `sum_price`. */
export interface Groups {
  data: { [column: string]: string | number | boolean | null }[];
  more: boolean;
}

type Ordered<M extends ModelName> = Models[M]["ordered"];
type OneOf<M extends ModelName> = {
  [K in keyof Models[M]["relations"] & string]: Models[M]["relations"][K] extends { how: "one" } ? K : never;
}[keyof Models[M]["relations"] & string];
export type SortTerm<M extends ModelName> = Ordered<M> | `-${Ordered<M>}` | `${"" | "-"}${OneOf<M>}.${string}`;

/** An error (RFC 9457). Act on `code`; `detail` is for people and may change. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail: string;
  hint: string;
  /** The bound that was met: the setting, and its value (of a time, in milliseconds). */
  limit?: { name: string; value: number };
  /** Every failure in the body, by JSON pointer. */
  errors?: { pointer: string; code: string; detail: string }[];
  request_id: string;
}

export interface Tokens {
  access_token: string;
  refresh_token: string;
  token_type: "Bearer";
  /** Seconds that the access token is good for. */
  expires_in: number;
  user: Me;
}
