import { defineConfig } from 'vite';

/** While working on the page itself: `npm run dev`, with the demo running on its usual ports. */
const demo = 'http://127.0.0.1:6001';

export default defineConfig({
  build: { target: 'es2022', modulePreload: { polyfill: false }, chunkSizeWarningLimit: 800 },
  server: { host: '127.0.0.1', proxy: { '/api': demo, '/ims': demo, '/demo': { target: demo, changeOrigin: false } } },
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000 },
} as Parameters<typeof defineConfig>[0]);
