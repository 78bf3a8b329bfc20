// ---- LoRA -------------------------------------------------------------------------------------------------------

#if RANK > 0
#define PIECE 512
__device__ __forceinline__ const Matrix* projection(int kind, const Layer* layer, int index) {
  if (kind == QKV) return index == 0 ? &layer->q : index == 1 ? &layer->k : &layer->v;
  if (kind == GATE_UP) return index == 0 ? &layer->gate : &layer->up;
  return kind == OUT ? &layer->o : &layer->down;
}
__device__ __forceinline__ int items_of(const Form& f) { return SLOTS * f.projections * RANK * f.pieces; }

// A piece of a row of A, in a warp's registers. Items are spread over all warps of the grid, those with the fewest
// units first, but for the herald.
__device__ __forceinline__ int item_rank() { return (2 * WARPS - 2 - (threadIdx.x >> 5)) % WARPS; }
struct Piece {
  float4 a[PIECE / 128];
  int slot;  // NONE: nobody uses it
};

__device__ __forceinline__ void lora_load(Piece& piece, const Form& f, int kind, const Params& p, const Layer* layer,
                                          int item) {
  piece.slot = NONE;
  if (item >= items_of(f)) return;
  const int lane = threadIdx.x & 31;
  int part = item % f.pieces, row = item / f.pieces % RANK, index = item / (f.pieces * RANK);
  int slot = index / f.projections;
  const float* a = projection(kind, layer, index % f.projections)->a[slot];
  if (a == 0 || row >= p.ranks[slot]) return;
#pragma unroll
  for (int column = 0; column < COLS; column++)
    if (rows().slots[column] == slot) piece.slot = slot;
  if (piece.slot == NONE) return;
#pragma unroll
  for (int i = 0; i < PIECE / 128; i++) {
    int k = part * PIECE + i * 128 + lane * 4;
    piece.a[i] = k < f.k ? __ldg((const float4*)(a + (u64)row * f.k + k)) : make_float4(0, 0, 0, 0);
  }
}

// A x. `piece` holds the warp's first item.
__device__ __forceinline__ void lora_items(Piece& piece, const Form& f, int kind, const Params& p, const Layer* layer,
                                           u32 epoch) {
  const int lane = threadIdx.x & 31;
  const u16* x = f.streamed ? p.inner : (const u16*)(shared + X_AT);
  for (int item = blockIdx.x + gridDim.x * item_rank(); item < items_of(f);) {
    if (piece.slot != NONE) {
      const int part = item % f.pieces, index = item / (f.pieces * RANK);
      const float scale = projection(kind, layer, index % f.projections)->scale[piece.slot];
      for (int column = 0; column < COLS; column++) {
        if (rows().slots[column] != piece.slot) continue;
        float sum = 0;
#pragma unroll
        for (int i = 0; i < PIECE / 128; i++) {
          int k = part * PIECE + i * 128 + lane * 4;
          if (k >= f.k) continue;
          const uint2* at = (const uint2*)(x + operand_at(k, column));
          uint2 v = f.streamed ? __ldcg(at) : *at;
          float4 a = piece.a[i];
          sum += a.x * from_operand<NF4>(v.x & 0xffff) + a.y * from_operand<NF4>(v.x >> 16) +
                 a.z * from_operand<NF4>(v.y & 0xffff) + a.w * from_operand<NF4>(v.y >> 16);
        }
        sum = warp_sum(sum);
        if (lane == 0) store_tagged(p.lora_parts + item * COLS + column, sum * scale, epoch);
      }
    }
    item += gridDim.x * WARPS;
    lora_load(piece, f, kind, p, layer, item);
  }
}

// Sums the pieces of A x into shared memory as they come: t[projection][rank][column]. Eight lanes share a sum; a
// thread asks for six pieces at once, because each answer takes most of a microsecond.
#define AT_ONCE 6
__device__ __forceinline__ void lora_gather(const Form& f, int kind, const Params& p, const Layer* layer, u32 epoch) {
  float* t = (float*)(shared + T_AT);
  const int lane = threadIdx.x & 7, group = threadIdx.x >> 3, each = (f.pieces + 7) / 8;
  const int sums = f.projections * RANK * COLS, jobs = (sums - group + THREADS / 8 - 1) / (THREADS / 8) * each;
  float sum = 0;
#pragma unroll 1
  for (int from = 0; from < jobs; from += AT_ONCE) {
    const u64* place[AT_ONCE];
    u64 word[AT_ONCE];
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
      const int job = from + i, at = group + job / each * (THREADS / 8), part = job % each * 8 + lane;
      const int column = at % COLS, row = at / COLS % RANK, index = at / (COLS * RANK);
      place[i] = 0;
      if (job >= jobs || part >= f.pieces) continue;
      const int slot = rows().slots[column];
      if (slot < 0 || row >= p.ranks[slot] || projection(kind, layer, index)->a[slot] == 0) continue;
      place[i] = p.lora_parts + (((slot * f.projections + index) * RANK + row) * f.pieces + part) * COLS + column;
      word[i] = load_word(place[i]);
    }
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
      const int job = from + i;
      if (job >= jobs) break;
      if (place[i] != 0)
        sum += (u32)(word[i] >> 32) == epoch ? __uint_as_float((u32)word[i]) : await_tagged(place[i], epoch);
      if ((job + 1) % each != 0) continue;
#pragma unroll
      for (int offset = 4; offset > 0; offset >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
      if (lane == 0) t[group + job / each * (THREADS / 8)] = sum;
      sum = 0;
    }
  }
}

// The rows of B that this block will need, of each slot in use: the first into shared memory, the others into L2. They
// do not depend on the phase before.
#define B_ROWS 48
__device__ __forceinline__ void lora_rows(const Form& f, int kind, const Params& p, const Layer* layer) {
  // (two buffers: the phase before may still need its own)
  const Span span = span_of(f, kind, 0);
  const int tile = (span.all_first + f.units - 1) / f.units, last = (span.all_last + f.units - 1) / f.units;
  const u32 kept = shared_address(shared) + B_AT + (kind & 1) * B_BYTES;
  int asked = NONE;
  for (int column = 0; column < COLS; column++) {
    const int slot = rows().slots[column];
    if (slot < 0 || slot == asked) continue;
    const int rank = p.ranks[slot];
    const bool keep = asked == NONE;  // the first slot in use
    asked = slot;
    for (int i = threadIdx.x; i < (last - tile) * 32 * (RANK / 4); i += THREADS) {
      const int at = i / (RANK / 4), r = i % (RANK / 4) * 4;
      int row;
      const Matrix* m = matrix_of(kind, layer, tile + (at >> 5), at & 31, &row);
      if (m->b[slot] == 0 || r >= rank) continue;
      const float* b = m->b[slot] + (u64)row * rank + r;
      if (keep && at < B_ROWS)
        copy16(kept + i * 16, b);
      else if (r % 32 == 0)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(b));
    }
  }
}

// What the adapter adds to row `row` of a matrix, which is the block's `at`-th.
__device__ __forceinline__ float lora_sum(const Params& p, int kind, const Matrix* m, int row, int at, int index,
                                          int column) {
  const int slot = rows().slots[column];
  if (slot < 0 || m->b[slot] == 0) return 0;
  const int rank = p.ranks[slot];
  const float* t = (const float*)(shared + T_AT) + index * RANK * COLS + column;
  int first = 0;
  while (rows().slots[first] < 0) first++;
  const bool kept = at < B_ROWS && rows().slots[first] == slot;
  const float4* b = kept ? (const float4*)(shared + B_AT + (kind & 1) * B_BYTES) + at * (RANK / 4)
                         : (const float4*)(m->b[slot] + (u64)row * rank);
  float sum = 0;
#pragma unroll 4
  for (int r = 0; r < rank; r += 4) {
    float4 v = b[r / 4];
    sum += v.x * t[r * COLS] + v.y * t[(r + 1) * COLS] + v.z * t[(r + 2) * COLS] + v.w * t[(r + 3) * COLS];
  }
  return sum;
}
#else
struct Piece {};
#endif
