// What the types of the marketplace allow, and what they do not: `scripts/openapi` has the compiler look at it.
import type {
  AuthUsersCreate, CatalogProducts, CatalogProductsCreate, CatalogProductsUpdate, ExpandPath, Expanded, Filters, List, Me,
  Models, Page, Problem, ProblemCode, Register, Routes, Selected, Tokens,
} from "./api";

// ---- lists ----

export const list: List<"catalog.products"> = {
  status: "active",
  "price[lte]": "20.00",
  "price[gt]": 5,
  "status[in]": ["active", "sold"],
  filter: "category.name == 'Books'",
  sort: ["-price", "name", "category.name", "-category.name"],
  limit: 20,
  fields: ["id", "name", "version"],
  expand: ["category.parent", "seller", "reviews(limit:5,sort:-created_at)"],
  count: "exact",
};
// @ts-expect-error no such field
export const unknownField: List<"catalog.products"> = { "prize[lte]": "20.00" };
// @ts-expect-error no such value
export const unknownValue: List<"catalog.products"> = { status: "gone" };
// @ts-expect-error JSON is not compared by a plain filter
export const json: Filters<"catalog.products"> = { attributes: "x" };
// @ts-expect-error no such comparison
export const comparison: Filters<"catalog.products"> = { "price[like]": "1" };
// @ts-expect-error no such relation
export const relation: List<"catalog.products"> = { expand: ["categories"] };
// @ts-expect-error no such field to sort by
export const sort: List<"catalog.products"> = { sort: ["-prize"] };
// @ts-expect-error text is not sorted by
export const text: List<"catalog.products"> = { sort: ["description"] };
export const deep: ExpandPath<"catalog.reviews"> = "product.category.parent";
// @ts-expect-error three levels at most
export const deeper: ExpandPath<"catalog.reviews"> = "product.category.parent.parent";

export const aggregate: Routes["GET /api/catalog/products/aggregate"]["query"] = {
  group_by: ["category.name", "created_at.month"],
  count: ["*", "tags"],
  avg: ["price"],
  "price[lt]": 20,
  having: "count > 3",
  sort: ["-avg_price"],
};
// @ts-expect-error no such field
export const amount: Routes["GET /api/catalog/products/aggregate"]["query"] = { sum: ["prize"] };

// ---- records ----

export function shown(page: Page<CatalogProducts>): string {
  const product = page.data[0];
  if (!product) return page.next_cursor ?? "";
  const status: "draft" | "active" | "sold" = product.status;
  const cost: string | null | undefined = product.cost;
  // @ts-expect-error a rule may hide it
  const sure: string | null = product.cost;
  // @ts-expect-error hidden unless `fields` names it
  const version = product.version;
  // @ts-expect-error a decimal is a string in answers
  const price: number = product.price;
  return [status, cost, sure, version, price].join();
}

export function selected(product: Selected<"catalog.products", "name" | "version">): string {
  const version: number = product.version;
  // @ts-expect-error not named
  product.price;
  return product.name + version;
}

export function expanded(product: Expanded<"catalog.products", "category.parent" | "reviews.author" | "seller">): string {
  const parent: string | undefined = product.category?.parent?.name;
  const author: string | null | undefined = product.reviews.data[0]?.author?.bio;
  const more: boolean = product.reviews.more;
  // @ts-expect-error null where it cannot be read
  product.category.name;
  // @ts-expect-error only what was expanded is a record
  product.reviews.data[0]?.product.name;
  // @ts-expect-error still there and no longer an id
  const id: string = product.category;
  return [parent, author, more, id].join();
}

// ---- bodies ----

export const create: CatalogProductsCreate = { name: "Lamp", price: 9, category: "01980000-0000-7000-8001-000000000003" };
export const exact: CatalogProductsCreate = { ...create, price: "9.00", tags: ["new"], attributes: { color: ["red"] } };
// @ts-expect-error price is required
export const without: CatalogProductsCreate = { name: "Lamp", category: "…" };
// @ts-expect-error the server chooses the id
export const withId: CatalogProductsCreate = { ...create, id: "…" };
// @ts-expect-error no such field
export const typo: CatalogProductsCreate = { ...create, titel: "Lamp" };
export const update: CatalogProductsUpdate = { price: "10.00", description: null };
// @ts-expect-error it may not be null
export const removed: CatalogProductsUpdate = { name: null };
export function back(product: CatalogProducts): CatalogProductsUpdate {
  return { ...product, name: "As it was read, with another name" };
}
export const user: AuthUsersCreate = { email: "a@example.com", password: "a long password" };

// ---- addresses ----

export const register: Routes["POST /api/auth/register"]["body"] = { email: "a@example.com", password: "a long password", bio: "…" };
// @ts-expect-error users may not set it
export const verified: Register = { ...register, verified: true };
export function signedIn(tokens: Tokens): string {
  const me: Me = tokens.user;
  return tokens.access_token + me.roles.join() + (me.email ?? "");
}
export const deleted: Routes["DELETE /api/catalog/products/{id}"]["answer"] = undefined;
// @ts-expect-error no such address
export type Nothing = Routes["GET /api/catalog/nothing"];
export type Keys = { [M in keyof Models]: Models[M]["key"] };

// ---- problems ----

export function told(problem: Problem): string {
  const code: ProblemCode = problem.code;
  switch (code) {
    case "data.invalid":
      return (problem.errors ?? []).map((error) => `${error.pointer}: ${error.detail}`).join("\n");
    // @ts-expect-error no such code
    case "data.wrong":
      return "";
    default:
      return `${problem.detail} ${problem.limit?.name ?? ""}`;
  }
}
