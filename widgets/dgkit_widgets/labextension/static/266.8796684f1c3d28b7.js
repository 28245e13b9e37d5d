"use strict";(self.rspackChunkdgkit_lab=self.rspackChunkdgkit_lab||[]).push([[266],{475(r,e,o){var t=o(601),n=o.n(t),a=o(314),i=(o.n(a))()(n());i.push([r.id,`.dgkit-Course {
  box-sizing: border-box;
  overflow-y: auto;
  padding: 8px 12px 24px;
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.4;
  overflow-wrap: anywhere;
}

.dgkit-Course h2,
.dgkit-Course h3,
.dgkit-Course p {
  margin: 0 0 4px;
}

.dgkit-Course h2 {
  font-size: var(--jp-ui-font-size2);
}

.dgkit-Course h3 {
  font-size: var(--jp-ui-font-size1);
}

.dgkit-Course-number {
  font-variant-numeric: tabular-nums;
}

.dgkit-Course ol {
  margin: 8px 0 0;
  padding: 0;
  list-style: none;
}

.dgkit-Course li {
  padding: 10px 0;
  border-top: 1px solid var(--jp-border-color2);
}

.dgkit-Course-glossary {
  padding: 10px 0;
  border-top: 1px solid var(--jp-border-color2);
}

.dgkit-Course-glossary summary {
  cursor: pointer;
  font-weight: 600;
}

.dgkit-Course-glossary dl {
  margin: 8px 0 0;
}

.dgkit-Course-glossary dt {
  font-weight: 600;
}

.dgkit-Course-glossary dd {
  margin: 0 0 8px;
}

.dgkit-Course code {
  font-size: var(--jp-code-font-size);
}

.dgkit-Course-note,
.dgkit-Course-progress {
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size0);
}

.dgkit-Course-progress [role="progressbar"] {
  height: 6px;
  margin: 2px 0 6px;
  overflow: hidden;
  border: 1px solid var(--jp-border-color1);
  border-radius: 4px;
  background: var(--jp-layout-color2);
}

.dgkit-Course-progress [role="progressbar"] > div {
  height: 100%;
  background: var(--jp-brand-color1);
}

.dgkit-Course-place {
  margin: 8px 0;
  padding: 8px;
  border: 1px solid var(--jp-border-color1);
  border-radius: 4px;
}

.dgkit-Course-message:empty {
  margin: 0;
}

.dgkit-Course-buttons {
  display: flex;
  flex-wrap: wrap;
  gap: 6px;
}

.dgkit-Course button {
  min-height: 24px;
  padding: 3px 10px;
  border: 1px solid var(--jp-border-color0);
  border-radius: 3px;
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color2);
  font: inherit;
  cursor: pointer;
}

.dgkit-Course button:hover {
  background: var(--jp-layout-color3);
}

.dgkit-Course button:focus-visible,
.dgkit-Course:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}
`,""]),o.d(e,{},{A:i})},646(r,e,o){var t=o(601),n=o.n(t),a=o(314),i=o.n(a),s=o(475),u=i()(n());u.i(s.A),u.push([r.id,`
`,""]),o.d(e,{},{A:u})},314(r){r.exports=function(r){var e=[];return e.toString=function(){return this.map(function(e){var o="",t=void 0!==e[5];return e[4]&&(o+="@supports (".concat(e[4],") {")),e[2]&&(o+="@media ".concat(e[2]," {")),t&&(o+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),o+=r(e),t&&(o+="}"),e[2]&&(o+="}"),e[4]&&(o+="}"),o}).join("")},e.i=function(r,o,t,n,a){"string"==typeof r&&(r=[[null,r,void 0]]);var i={};if(t)for(var s=0;s<this.length;s++){var u=this[s][0];null!=u&&(i[u]=!0)}for(var d=0;d<r.length;d++){var p=[].concat(r[d]);t&&i[p[0]]||(void 0!==a&&(void 0===p[5]||(p[1]="@layer".concat(p[5].length>0?" ".concat(p[5]):""," {").concat(p[1],"}")),p[5]=a),o&&(p[2]&&(p[1]="@media ".concat(p[2]," {").concat(p[1],"}")),p[2]=o),n&&(p[4]?(p[1]="@supports (".concat(p[4],") {").concat(p[1],"}"),p[4]=n):p[4]="".concat(n)),e.push(p))}},e}},601(r){r.exports=function(r){return r[1]}},665(r,e,o){o.r(e);var t=o(72),n=o.n(t),a=o(825),i=o.n(a),s=o(659),u=o.n(s),d=o(56),p=o.n(d),c=o(540),l=o.n(c),f=o(113),g=o.n(f),v=o(646),h={};h.styleTagTransform=g(),h.setAttributes=p(),h.insert=u().bind(null,"head"),h.domAPI=i(),h.insertStyleElement=l(),n()(v.A,h);let b=v.A&&v.A.locals?v.A.locals:void 0;o.d(e,{},{default:b})},72(r){var e=[];function o(r){for(var o=-1,t=0;t<e.length;t++)if(e[t].identifier===r){o=t;break}return o}function t(r,t){for(var n={},a=[],i=0;i<r.length;i++){var s=r[i],u=t.base?s[0]+t.base:s[0],d=n[u]||0,p="".concat(u," ").concat(d);n[u]=d+1;var c=o(p),l={css:s[1],media:s[2],sourceMap:s[3],supports:s[4],layer:s[5]};if(-1!==c)e[c].references++,e[c].updater(l);else{var f=function(r,e){var o=e.domAPI(e);return o.update(r),function(e){e?(e.css!==r.css||e.media!==r.media||e.sourceMap!==r.sourceMap||e.supports!==r.supports||e.layer!==r.layer)&&o.update(r=e):o.remove()}}(l,t);t.byIndex=i,e.splice(i,0,{identifier:p,updater:f,references:1})}a.push(p)}return a}r.exports=function(r,n){var a=t(r=r||[],n=n||{});return function(r){r=r||[];for(var i=0;i<a.length;i++){var s=o(a[i]);e[s].references--}for(var u=t(r,n),d=0;d<a.length;d++){var p=o(a[d]);0===e[p].references&&(e[p].updater(),e.splice(p,1))}a=u}}},659(r){var e={};r.exports=function(r,o){var t=function(r){if(void 0===e[r]){var o=document.querySelector(r);if(window.HTMLIFrameElement&&o instanceof window.HTMLIFrameElement)try{o=o.contentDocument.head}catch(r){o=null}e[r]=o}return e[r]}(r);if(!t)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");t.appendChild(o)}},540(r){r.exports=function(r){var e=document.createElement("style");return r.setAttributes(e,r.attributes),r.insert(e,r.options),e}},56(r,e,o){r.exports=function(r){var e=o.nc;e&&r.setAttribute("nonce",e)}},825(r){r.exports=function(r){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=r.insertStyleElement(r);return{update:function(o){var t,n,a;t="",o.supports&&(t+="@supports (".concat(o.supports,") {")),o.media&&(t+="@media ".concat(o.media," {")),(n=void 0!==o.layer)&&(t+="@layer".concat(o.layer.length>0?" ".concat(o.layer):""," {")),t+=o.css,n&&(t+="}"),o.media&&(t+="}"),o.supports&&(t+="}"),(a=o.sourceMap)&&"u">typeof btoa&&(t+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),r.styleTagTransform(t,e,r.options)},remove:function(){var r;null===(r=e).parentNode||r.parentNode.removeChild(r)}}}},113(r){r.exports=function(r,e){if(e.styleSheet)e.styleSheet.cssText=r;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(r))}}}}]);