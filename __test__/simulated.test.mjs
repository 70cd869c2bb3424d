import { openSimulatedBed } from './beds/simulated/index.mjs';
import { deviceSuite } from './device-suite.mjs';

deviceSuite('simulated', openSimulatedBed, { sources: ['simulated'] });
