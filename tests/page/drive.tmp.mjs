import WebSocket from 'ws'
const base='http://127.0.0.1:7990/'
const html=await (await fetch(base)).text(); const token=/name="token" content="([^"]+)"/.exec(html)[1]
const [kind,...cmds]=process.argv.slice(2)
const ws=new WebSocket(`${base.replace('http','ws')}api/stage?kind=${kind}&wait=block&placement=cross-core&size=64&token=${token}`)
let i=0
const next=()=>{ if(i<cmds.length) ws.send(cmds[i++]); else ws.close() }
ws.on('message',d=>{const t=String(d); const e=JSON.parse(t); if(e.format) {console.log('HEADER', JSON.stringify(e.processes)); return next()}
 console.log(t.slice(0,420)); if((e.what==='batch-end'&&!globalThis.ex)||e.what==='experiment-end'||(e.what==='note'&&e.tone==='bad'&&!globalThis.ex)) {globalThis.ex=false; next()} if(e.what==='experiment-begin')globalThis.ex=true })
ws.on('close',(c,r)=>{console.log('CLOSED',c,String(r)); process.exit()}); ws.on('error',e=>{console.log(e);process.exit()})
setTimeout(()=>process.exit(),40000)
