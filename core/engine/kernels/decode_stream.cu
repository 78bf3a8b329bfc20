// ---- the shape of each product -------------------------------------------------------------------------------------

// The products of a layer share their code, because five copies of it would not fit into the instruction cache: a layer
// would then wait for its instructions longer than for its weights. What differs stands here.
struct Form {
  int k;       // columns of W
  int units;   // a tile
  int scales;  // blocks of 64 weights a row
  int tiles;   // of 32 rows
  int row_bytes;
  int projections;  // with an adapter of their own
  int pieces;       // of K, in the product with LoRA's A
  bool odd;         // NF4: the last unit of a tile is half as long
  bool streamed;    // operands come from L2
};
#define FORM(K, ROWS, PROJECTIONS, STREAMED)                                                 \
  {K,           (K + STEP - 1) / STEP, K / 64,        (ROWS + 31) / 32, NF4 ? K / 2 : K * 2, \
   PROJECTIONS, (K + 511) / 512,       K % STEP != 0, STREAMED}
#define STEP (NF4 ? 128 : 32)
#define ANY_ODD (NF4 && (HIDDEN % 128 != 0 || INNER % 128 != 0 || Q_ROWS % 128 != 0))
__constant__ Form FORMS[5] = {
    FORM(HIDDEN, QKV_ROWS, 3, false),
    FORM(Q_ROWS, HIDDEN, 1, false),
    FORM(HIDDEN, 2 * INNER, 2, false),
    FORM(INNER, HIDDEN, 1, STREAM_DOWN),
    {HIDDEN, HIDDEN / 32, 0, (VOCAB + 31) / 32, HIDDEN * 2, 0, 0, false, false},
};

template <bool IS_HEAD>
struct Format {
  static const bool IS_NF4 = NF4 && !IS_HEAD;
  static const int PARTS = IS_NF4 ? 4 : 1;                               // blocks of 32 operands a unit
  static const int SLOT = IS_NF4 ? 2048 + (ANY_ODD ? 512 : 256) : 2048;  // NF4: absmax and its scale behind the weights
  static const int RING = IS_HEAD ? DEPTH_HEAD : DEPTH;
};

// The matrix and row behind row `row` (0..31) of tile `tile`. A tile of gate and up holds 16 rows of each.
__device__ __forceinline__ const Matrix* matrix_of(int kind, const Layer* layer, int tile, int row, int* within) {
  *within = tile * 32 + row;
  if (kind == QKV) {
    if (*within < Q_ROWS) return &layer->q;
    *within -= Q_ROWS;
    if (*within < KV_ROWS) return &layer->k;
    *within -= KV_ROWS;
    return &layer->v;
  }
  if (kind == GATE_UP) {
    *within = tile * 16 + (row & 15);
    return row < 16 ? &layer->gate : &layer->up;
  }
  return kind == OUT ? &layer->o : &layer->down;
}

// ---- a warp's stream of units ------------------------------------------------------------------------------------

struct Stream {
  int next, end;      // units to consume
  int issue;          // next unit to issue
  int tile, unit;     // of `issue`
  const u8* weight0;  // this lane's weights in the tile's first half, unit 0
  const u8* weight1;  // and in its second half
  const u8* absmax;   // of the matrix of the row `lane`
  const float* absmax2;
  int scale_base;  // index of this lane's row in absmax
};

struct Span {               // the units of one block in one chunk of tiles
  int all_first, all_last;  // of the block
  int first, last;          // of the chunk
  int tile;                 // the chunk's first tile
  int each;                 // units a warp
  bool is_last;             // the block has no further chunk
};

__device__ __forceinline__ int first_unit(const Form& f, u32 block) {
  return (u32)(f.tiles * f.units) * block / gridDim.x;
}

__device__ __forceinline__ Span span_of(const Form& f, int kind, int chunk) {
  Span s;
  s.all_first = bounds()[kind][0];
  s.all_last = bounds()[kind][1];
  s.tile = bounds()[kind][2] + chunk * TILES;
  s.first = chunk == 0 ? s.all_first : s.tile * f.units;
  s.last = min(s.all_last, (s.tile + TILES) * f.units);
  s.is_last = s.last == s.all_last;
  s.each = max(1, (s.last - s.first + WARPS - 1) / WARPS);
  return s;
}

template <bool IS_HEAD>
__device__ __forceinline__ void enter_tile(Stream& st, const Form& f, int kind, const Params& p, const Layer* layer) {
  const int lane = threadIdx.x & 31;
  if (IS_HEAD) {
    st.weight0 = p.head + (u64)(st.tile * 32 + (lane >> 2)) * (HIDDEN * 2) + (lane & 3) * 16;
    st.weight1 = st.weight0 + (u64)16 * (HIDDEN * 2);
    return;
  }
  int row;
  const Matrix* m = matrix_of(kind, layer, st.tile, lane >> 2, &row);
  st.weight0 = m->weight + (u64)row * f.row_bytes + (lane & 3) * 16;
  m = matrix_of(kind, layer, st.tile, 16 + (lane >> 2), &row);
  st.weight1 = m->weight + (u64)row * f.row_bytes + (lane & 3) * 16;
  if (NF4) {
    m = matrix_of(kind, layer, st.tile, lane, &row);
    st.absmax = m->absmax;
    st.absmax2 = m->absmax2;
    st.scale_base = m->first_block + row * f.scales;
  }
}

template <bool IS_HEAD>
__device__ __forceinline__ void issue_unit(Stream& st, const Form& f, int kind, const Params& p, const Layer* layer,
                                           u32 slot) {
  if (st.issue >= st.end) return;
  const int lane = threadIdx.x & 31;
  if (st.unit == f.units) {
    st.unit = 0;
    st.tile++;
    enter_tile<IS_HEAD>(st, f, kind, p, layer);
  }
  const u8* w0 = st.weight0 + st.unit * 64;
  const u8* w1 = st.weight1 + st.unit * 64;
  if (Format<IS_HEAD>::IS_NF4) {
    // 16-byte chunk c of row r lies at place c ^ (r / 2 % 4) of its row: whole lines to write, all banks to read
    u32 to = slot + (lane >> 2) * 64 + ((lane & 3) ^ (lane >> 3)) * 16;
    if (!ANY_ODD || !f.odd || st.unit < f.units - 1 || (lane & 3) < 2) {
      copy16(to, w0);
      copy16(to + 512, w0 + 8 * f.row_bytes);
      copy16(to + 1024, w1);
      copy16(to + 1536, w1 + 8 * f.row_bytes);
    }
    int at = st.scale_base + st.unit * 2;
    copy4(slot + 2048 + lane * 4, st.absmax + (at & ~3));
    copy4(slot + 2176 + lane * 4, st.absmax2 + (at >> 8));
    if (ANY_ODD && (!f.odd || st.unit < f.units - 1)) {  // the second block may lie in another word
      at++;
      copy4(slot + 2304 + lane * 4, st.absmax + (at & ~3));
      copy4(slot + 2432 + lane * 4, st.absmax2 + (at >> 8));
    }
  } else {
    u32 to = slot + (lane >> 2) * 64 + (lane & 3) * 16;
    const bool whole = !IS_HEAD || VOCAB % 32 == 0;
    const int left = VOCAB - st.tile * 32 - (lane >> 2);  // rows beyond the vocabulary are zeros
    copy_row(to, w0, whole || left > 0);
    copy_row(to + 512, w0 + 8 * f.row_bytes, whole || left > 8);
    copy_row(to + 1024, w1, whole || left > 16);
    copy_row(to + 1536, w1 + 8 * f.row_bytes, whole || left > 24);
  }
  st.issue++;
  st.unit++;
}

__device__ __forceinline__ u32 ring() {
  return shared_address(shared) + RING_AT + (threadIdx.x >> 5) * (RING_BYTES / WARPS);
}

// Starts the stream of a chunk: its first weights, as many as its ring holds.
template <bool IS_HEAD>
__device__ __forceinline__ void begin(Stream& st, const Form& f, int kind, const Params& p, const Layer* layer,
                                      int chunk) {
  const Span span = span_of(f, kind, chunk);
  const int warp = threadIdx.x >> 5;
  st.next = st.issue = min(span.first + warp * span.each, span.last);
  st.end = min(st.next + span.each, span.last);
  st.tile = (u32)st.next / f.units;
  st.unit = st.next - st.tile * f.units;
  if (st.next < st.end) enter_tile<IS_HEAD>(st, f, kind, p, layer);
#pragma unroll 1
  for (int i = 0; i < Format<IS_HEAD>::RING; i++) {
    issue_unit<IS_HEAD>(st, f, kind, p, layer, ring() + i * Format<IS_HEAD>::SLOT);
    commit();
  }
}

#if NF4
__device__ __forceinline__ u32 pair_of(u32 shifted, u32 lane4) {
  return *(const u32*)((const u8*)pair_table + ((shifted & 0x7f80u) | lane4));
}

// 32 rows by 64 weights: acc += scale * (W x). w: the unit's word of this lane in its row; first: the block's first
// chunk, already in its row's order; x: the lane's two operands.
__device__ __forceinline__ void multiply_block(float (*acc)[4], const u8* w, int first, const uint4* x, float scale,
                                               u32 lane4, int g) {
  float c[2][4] = {};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const u8* from = w + (first ^ (half * 16));
    u32 w0 = *(const u32*)from, w1 = *(const u32*)(from + 512);
    u32 w2 = *(const u32*)(from + 1024), w3 = *(const u32*)(from + 1536);
    uint4 xv = x[half];
    multiply<true>(c[0], pair_of(w0 << 7, lane4), pair_of(w1 << 7, lane4), pair_of(w0 >> 1, lane4),
                   pair_of(w1 >> 1, lane4), xv.x, xv.y);
    multiply<true>(c[1], pair_of(w2 << 7, lane4), pair_of(w3 << 7, lane4), pair_of(w2 >> 1, lane4),
                   pair_of(w3 >> 1, lane4), xv.x, xv.y);
    multiply<true>(c[0], pair_of(w0 >> 9, lane4), pair_of(w1 >> 9, lane4), pair_of(w0 >> 17, lane4),
                   pair_of(w1 >> 17, lane4), xv.z, xv.w);
    multiply<true>(c[1], pair_of(w2 >> 9, lane4), pair_of(w3 >> 9, lane4), pair_of(w2 >> 17, lane4),
                   pair_of(w3 >> 17, lane4), xv.z, xv.w);
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float low = __shfl_sync(0xffffffffu, scale, half * 16 + g),
          high = __shfl_sync(0xffffffffu, scale, half * 16 + g + 8);
    acc[half][0] += c[half][0] * low;
    acc[half][1] += c[half][1] * low;
    acc[half][2] += c[half][2] * high;
    acc[half][3] += c[half][3] * high;
  }
}
#endif

// A lane's operands of one unit: 8 values of its column from each block of 32.
template <bool IS_HEAD>
struct Operands {
  uint4 part[Format<IS_HEAD>::PARTS];
};

// Where the operands of all columns do not fit into shared memory, they come from L2, one unit ahead.
template <bool IS_HEAD>
__device__ __forceinline__ void load_operands(Operands<IS_HEAD>& x, const Form& f, const u16* from, int unit,
                                              bool is_shared) {
  const int PARTS = Format<IS_HEAD>::PARTS, lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
  const uint4* at = (const uint4*)(from + (unit * PARTS * COLS + g) * 32 + t * 8);
#pragma unroll
  for (int i = 0; i < PARTS; i++) {
    x.part[i] = make_uint4(0, 0, 0, 0);
    if (g < COLS && (!ANY_ODD || (unit * PARTS + i) * 32 < f.k))
      x.part[i] = is_shared ? at[i * COLS * 4] : __ldcg(at + i * COLS * 4);
  }
}

// Multiplies all units of the stream; each tile's sums go into the parts of this warp.
template <bool IS_HEAD>
__device__ __forceinline__ void consume(Stream& st, const Form& f, int kind, const Params& p, const Layer* layer,
                                        const Span& span) {
  typedef Format<IS_HEAD> S;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
  u32 lane4;  // opaque, or it is computed again for every weight
  asm volatile("shl.b32 %0, %1, 2;" : "=r"(lane4) : "r"(lane));
  const u8* ring_bytes = shared + RING_AT + warp * (RING_BYTES / WARPS);
  const u16* shared_x = (const u16*)(shared + X_AT);
  float* parts = (float*)(shared + PARTS_AT);
  int tile = (u32)st.next / f.units, unit = st.next - tile * f.units, slot = 0;
  float acc[2][4] = {};
  int scale_base = 0;
  float offset = 0;
  bool entered = false;
  const bool streamed = STREAM_DOWN && !IS_HEAD && f.streamed;
  Operands<IS_HEAD> x, ahead;
  if (streamed && st.next < st.end) load_operands<IS_HEAD>(ahead, f, p.inner, unit, false);
#pragma unroll 1
  while (st.next < st.end) {
    if (S::IS_NF4 && !entered) {
      int row;
      const Matrix* m = matrix_of(kind, layer, tile, lane, &row);
      scale_base = m->first_block + row * f.scales;
      offset = m->offset;
      entered = true;
    }
    wait_copies<S::RING - 1>();
    __syncwarp();
    const u8* from = ring_bytes + slot * S::SLOT;
    if (streamed) {
      x = ahead;
      if (st.next + 1 < st.end) load_operands<IS_HEAD>(ahead, f, p.inner, unit + 1 == f.units ? 0 : unit + 1, false);
    } else {
      load_operands<IS_HEAD>(x, f, shared_x, unit, true);
    }
#if NF4
    if (S::IS_NF4) {
      const float* code = (const float*)(shared + CODE_AT);
      const int at = scale_base + unit * 2;
#pragma unroll
      for (int block = 0; block < 2; block++) {
        if (ANY_ODD && f.odd && block == 1 && unit == f.units - 1) break;
        const int word = ANY_ODD ? block * 256 : 0;
        float scale = __fadd_rn(__fmul_rn(code[from[2048 + word + lane * 4 + ((at + block) & 3)]],
                                          *(const float*)(from + 2176 + word + lane * 4)),
                                offset);
        multiply_block(acc, from + g * 64 + t * 4, (g >> 1) * 16 ^ block * 32, x.part + (S::IS_NF4 ? block * 2 : 0),
                       scale, lane4, g);
      }
    }
#endif
    if (!S::IS_NF4) {
      const uint4 xv = x.part[0];
      const u8* w = from + g * 64 + t * 16;
      uint4 w0 = *(const uint4*)w, w1 = *(const uint4*)(w + 512);
      uint4 w2 = *(const uint4*)(w + 1024), w3 = *(const uint4*)(w + 1536);
      multiply<false>(acc[0], w0.x, w1.x, w0.y, w1.y, xv.x, xv.y);
      multiply<false>(acc[1], w2.x, w3.x, w2.y, w3.y, xv.x, xv.y);
      multiply<false>(acc[0], w0.z, w1.z, w0.w, w1.w, xv.z, xv.w);
      multiply<false>(acc[1], w2.z, w3.z, w2.w, w3.w, xv.z, xv.w);
    }
    __syncwarp();
    issue_unit<IS_HEAD>(st, f, kind, p, layer, ring() + slot * S::SLOT);
    commit();
    slot = slot + 1 == S::RING ? 0 : slot + 1;
    st.next++;
    unit++;
    if (unit == f.units || st.next == st.end) {
      const float unscale = S::IS_NF4 ? 1.0f / X_UNIT : 1.0f;
      float* to = parts + (tile - span.tile + warp) * TILE_VALUES;
#pragma unroll
      for (int i = 0; i < 8; i++) {
        int row = (i >> 2) * 16 + ((i >> 1) & 1) * 8 + g, column = 2 * t + (i & 1);
        if (column < COLS) to[row * COLS + column] = acc[i >> 2][i & 3] * unscale;
        acc[i >> 2][i & 3] = 0;
      }
      tile++;
      unit = 0;
      entered = false;
    }
  }
}

// The sum of this block's parts of value `at` (row * COLS + column) of a tile.
__device__ __forceinline__ float part_sum(const Form& f, const Span& span, int tile, int at) {
  const float* parts = (const float*)(shared + PARTS_AT) + (tile - span.tile) * TILE_VALUES + at;
  int first = max(tile * f.units, span.first) - span.first,
      last = min((tile + 1) * f.units, span.last) - 1 - span.first;
  float sum = 0;
  if (last >= 0)
    for (int warp = (u32)first / span.each; warp <= (u32)last / span.each; warp++) sum += parts[warp * TILE_VALUES];
  return sum;
}
