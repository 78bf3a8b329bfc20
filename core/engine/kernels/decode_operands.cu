// ---- operands ---------------------------------------------------------------------------------------------------

// A row whose scores were no numbers has token -1; the host ends it.
__device__ __forceinline__ int token_of(const Params& p, int column) { return max(__ldcg(p.tokens + column), 0); }

__device__ __forceinline__ float4 hidden4(const Params& p, int column, int k, bool embedded) {
  if (!embedded) return __ldcg((const float4*)(p.hidden + column * HIDDEN + k));
  uint2 bits = *(const uint2*)(p.embedding + (u64)token_of(p, column) * HIDDEN + k);
  return make_float4(__uint_as_float(bits.x << 16), __uint_as_float(bits.x & 0xffff0000u),
                     __uint_as_float(bits.y << 16), __uint_as_float(bits.y & 0xffff0000u));
}

// RMSNorm of every column into the shared operands. The weights do not depend on the phase before: they are asked for
// first, then the meeting is awaited.
template <bool IS_NF4>
__device__ __forceinline__ void stage_norm(const Params& p, const u16* weight, bool embedded, const u32* counter,
                                           u32 target) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int PER = WARPS / COLS, STRIDE = PER * 32, COUNT = (HIDDEN / 4 + STRIDE - 1) / STRIDE;
  const bool KEEP = COUNT <= 16, KEEP_WEIGHTS = COUNT <= 4;
  const int column = warp / PER, part = warp % PER, first = part * 32 + lane;
  float* red = (float*)(shared + RED_AT);
  u16* x = (u16*)(shared + X_AT);
  float4 kept[KEEP ? COUNT : 1];
  uint2 weights[KEEP_WEIGHTS ? COUNT : 1];
  if (KEEP_WEIGHTS) {
#pragma unroll(KEEP_WEIGHTS ? COUNT : 1)
    for (int i = 0; i < COUNT; i++)
      if (first + i * STRIDE < HIDDEN / 4) weights[i] = __ldg((const uint2*)(weight + (first + i * STRIDE) * 4));
  } else {
    for (int i = threadIdx.x; i < HIDDEN / 64; i += THREADS)
      asm volatile("prefetch.global.L2 [%0];" ::"l"(weight + i * 64));
  }
  await_value(counter, target);
  // Sixteen partial sums a column, whatever the number of columns: the same bits alone and beside others.
  const int SUMS = WARPS / PER;
  float sums[SUMS] = {};
#pragma unroll(KEEP ? COUNT : 1)
  for (int from = 0; from < COUNT; from += SUMS)
#pragma unroll
    for (int j = 0; j < SUMS; j++) {
      const int i = from + j, k4 = first + i * STRIDE;
      float4 v = make_float4(0, 0, 0, 0);
      if (i < COUNT && k4 < HIDDEN / 4) v = hidden4(p, column, k4 * 4, embedded);
      if (KEEP && i < COUNT) kept[KEEP ? i : 0] = v;
      sums[j] += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
#pragma unroll
  for (int j = 0; j < SUMS; j++) {
    float sum = warp_sum(sums[j]);
    if (lane == 0) red[column * WARPS + j * PER + part] = sum;
  }
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int j = 0; j < WARPS; j++) sum += red[column * WARPS + j];
  const float scale = rsqrtf(sum / HIDDEN + EPS);
#pragma unroll(KEEP ? COUNT : 4)
  for (int i = 0; i < COUNT; i++) {
    int k4 = first + i * STRIDE;
    if (k4 >= HIDDEN / 4) continue;
    float4 v = KEEP ? kept[KEEP ? i : 0] : hidden4(p, column, k4 * 4, embedded);
    uint2 w = KEEP_WEIGHTS ? weights[KEEP_WEIGHTS ? i : 0] : __ldg((const uint2*)(weight + k4 * 4));
    u32 a = to_operand<IS_NF4>(v.x * scale * __uint_as_float(w.x << 16));
    u32 b = to_operand<IS_NF4>(v.y * scale * __uint_as_float(w.x & 0xffff0000u));
    u32 c = to_operand<IS_NF4>(v.z * scale * __uint_as_float(w.y << 16));
    u32 d = to_operand<IS_NF4>(v.w * scale * __uint_as_float(w.y & 0xffff0000u));
    *(uint2*)(x + operand_at(k4 * 4, column)) = make_uint2(a | b << 16, c | d << 16);
  }
  __syncthreads();
}

__device__ __forceinline__ void stage_copy(const u16* from, int k) {
  uint4* x = (uint4*)(shared + X_AT);
#pragma unroll 4
  for (int i = threadIdx.x; i < k * COLS / 8; i += THREADS) x[i] = __ldcg((const uint4*)from + i);
  __syncthreads();
}
